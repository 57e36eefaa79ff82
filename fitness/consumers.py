"""`WS /ws/fitness`: a person's own syncs as they land, and what each has changed."""

from typing import Any

from fitness.following import followers
from leaderboards.sockets import WatchingSocket


class FitnessConsumer(WatchingSocket):
    async def let_in(self) -> None:
        assert self.watcher.viewer_id is not None  # only a board's ticket is nobody's
        await followers().admit(self.watcher.viewer_id)

    async def begin(self) -> None:
        followers().watch(self.watcher)

    def let_go(self) -> None:
        followers().leave(self.watcher)

    async def take(self, message: Any) -> None:
        await self._complain("unknown_type", "The only known type is ping.")
