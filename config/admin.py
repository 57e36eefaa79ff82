from config.panel import cockpit, lockouts  # registers them

__all__ = ["cockpit", "lockouts"]
