from competitions.admin import tables  # registers them

__all__ = ["tables"]
