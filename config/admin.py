from config.panel import cockpit, lockouts, tables  # registers them
from config.panel.messages import tables as message_tables

__all__ = ["cockpit", "lockouts", "message_tables", "tables"]
