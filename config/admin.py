from config.panel import cockpit, tables  # registers them

__all__ = ["cockpit", "tables"]
