"""What if somebody were disqualified, or the cap another one: looked at first, and saved afterwards."""

from config.panel.what_if.views import what_if_view

__all__ = ["what_if_view"]
