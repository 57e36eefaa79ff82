"""A competition's page: everything about it in one place."""

from config.panel.cockpit.page import CockpitAdmin

__all__ = ["CockpitAdmin"]
