from fitness.admin import flags, readings

__all__ = ["flags", "readings"]
