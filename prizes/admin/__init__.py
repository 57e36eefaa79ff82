"""The treasurer's panel. Read-only but for its steps: each first says what it will do, then keeps who and why."""

from prizes.admin import ledger, settlement, transfers  # registers them

__all__ = ["ledger", "settlement", "transfers"]
