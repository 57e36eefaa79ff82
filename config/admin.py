from config.panel import cockpit  # registers it

__all__ = ["cockpit"]
