"""People who follow their own activity here: each is shown what every sync of theirs has changed, whichever process
stored it.

That something was stored is told by the channel layer, which may lose it, so every ``CHECK_INTERVAL`` one statement
compares the marks of all who are here with what they were shown, and every ``LOOK_AGAIN`` everybody is looked at
whatever the marks say. What is sent is always read from PostgreSQL.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from accounts.tokens import InvalidToken
from config.core.gathering import Gatherer, one_per_loop
from config.core.threads import in_thread
from fitness.announce import GROUP, note_followed
from fitness.frames import says_nothing_new, update_frame
from fitness.queries.pictures import Mark, Picture, marks_of, pictures_of
from leaderboards.listening import Listener
from leaderboards.watching import Close, Sight, View, Watcher, count_frames

CHECK_INTERVAL = 2.0
LOOK_AGAIN = timedelta(minutes=5)
MOST_AT_ONCE = 50
"""People who are read together, so that nobody waits long for somebody else's history."""


class Followed:
    """One person, as their sockets see them. Nothing waits here: a slow socket is given the difference between what it
    was sent last and what there is when it can take it."""

    def __init__(self, user_id: UUID) -> None:
        self.user_id = user_id
        self.picture: Picture | None = None
        self.seen: dict[Sight, Picture | None] = {}

    def show(self, picture: Picture, *, landed: bool) -> None:
        """``landed``: there was a sync, which is told even if it changed nothing that is shown."""
        self.picture = picture
        for sight in self.seen:
            sight.owed = sight.owed or landed
            sight.watcher.stir(sight)

    def frame(self, sight: Sight) -> str | None:
        now, before = self.picture, self.seen[sight]
        if now is None or (before is not None and not sight.owed and says_nothing_new(before, now)):
            return None
        self.seen[sight], sight.owed = now, False
        return update_frame(self.user_id, before, now)

    def is_behind(self, mark: Mark) -> bool:
        return self.picture is None or self.picture.mark != mark or self.picture.read_at < timezone.now() - LOOK_AGAIN


class Followers(Listener):
    def __init__(self) -> None:
        super().__init__()
        self._followed: dict[UUID, Followed] = {}
        self._due: dict[UUID, bool] = {}  # whom to read, and whether a sync of theirs was announced
        self._awaited = asyncio.Event()
        self._access = Gatherer(in_thread(check_active))

    async def admit(self, user_id: UUID) -> None:
        """Raises InvalidToken for somebody who is not active any more."""
        await self._access.put(user_id)

    def watch(self, watcher: Watcher) -> None:
        """From now on this watcher sees their own activity: first as it is, and then whatever changes."""
        assert watcher.viewer_id is not None
        self._start(read=self._read, check=self._check)
        followed = self._followed.setdefault(watcher.viewer_id, Followed(watcher.viewer_id))
        sight = watcher.sights[followed.user_id] = Sight(followed.user_id, followed, watcher, View())
        followed.seen[sight] = None
        self._look_at({followed.user_id: False})
        if self._dismissing:
            watcher.end(Close.RESTARTING)

    def leave(self, watcher: Watcher) -> None:
        for user_id in list(watcher.sights):
            sight, followed = watcher.look_away(user_id), self._followed.get(user_id)
            if sight is not None and followed is not None:
                followed.seen.pop(sight, None)
                if not followed.seen:
                    del self._followed[user_id]

    def groups(self) -> list[str]:
        return [GROUP]

    def hear(self, message: dict[str, Any]) -> None:
        named = {UUID(hex=person) for person in message["people"]}
        self._look_at(dict.fromkeys(named & self._followed.keys(), True))

    def watchers(self) -> set[Watcher]:
        return {sight.watcher for followed in self._followed.values() for sight in followed.seen}

    def _look_at(self, people: Mapping[UUID, bool]) -> None:
        for user_id, landed in people.items():
            self._due[user_id] = landed or self._due.get(user_id, False)
        if self._due:
            self._awaited.set()

    async def _read(self) -> None:
        await self._awaited.wait()
        self._awaited.clear()
        people = self._next_due()
        try:
            pictures = await in_thread(read_pictures)(list(people), timezone.now())
        except Exception:
            self._look_at(people)
            raise
        for user_id, picture in pictures.items():
            if user_id in self._followed:
                self._followed[user_id].show(picture, landed=people[user_id])

    def _next_due(self) -> dict[UUID, bool]:
        due = {user_id: landed for user_id, landed in self._due.items() if user_id in self._followed}
        people = dict(islice(due.items(), MOST_AT_ONCE))
        self._due = {}
        self._look_at({user_id: landed for user_id, landed in due.items() if user_id not in people})
        return people

    async def _check(self) -> None:
        await asyncio.sleep(CHECK_INTERVAL)
        count_frames()
        self._let_stalled_watchers_go()
        here = set(self._followed)
        if not here:
            return
        marks = await in_thread(read_marks)(here)
        for watcher in self.watchers():
            if watcher.viewer_id in here - marks.keys():  # not active any more
                watcher.end(Close.UNAUTHENTICATED)
        found = marks.keys() & self._followed.keys()
        self._look_at({user_id: False for user_id in found if self._followed[user_id].is_behind(marks[user_id])})


def read_pictures(user_ids: Collection[UUID], now: datetime) -> dict[UUID, Picture]:
    """What is stored from now on is announced, so nothing falls between this reading and the next."""
    note_followed(user_ids)
    return pictures_of(user_ids, now)


def read_marks(user_ids: Collection[UUID]) -> dict[UUID, Mark]:
    note_followed(user_ids)
    return marks_of(user_ids)


def check_active(user_ids: Sequence[UUID]) -> list[Exception | None]:
    active = set(User.objects.filter(id__in=user_ids, is_active=True).values_list("id", flat=True))
    return [None if user_id in active else InvalidToken("nobody active") for user_id in user_ids]


followers = one_per_loop(Followers)
"""Those of this process, on its event loop."""
