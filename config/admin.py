from config.panel import cockpit, lockouts, tables  # registers them

__all__ = ["cockpit", "lockouts", "tables"]
