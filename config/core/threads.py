"""Synchronous code, called from the event loop."""

from functools import partial

from channels.db import database_sync_to_async

in_thread = partial(database_sync_to_async, thread_sensitive=False)
"""Runs a query in a thread of a pool. The sensitive default would put all sockets of the process on one thread."""
