"""Boards, answered in front of Django: the plain page out of the hub's bytes, the same by long polling, and as a
stream of events; and reports, which are committed together when they arrive together."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.utils import timezone
from django.utils.http import parse_etags
from prometheus_client import Gauge
from rest_framework.exceptions import PermissionDenied

from accounts.callers import recognise
from accounts.models import Scope, ServiceKey
from accounts.queries import callers_by_id
from accounts.tokens import InvalidToken
from config.core.api import envelope
from config.core.errors import Forbidden, NotFound, Unauthenticated, as_refusal
from config.core.front import Answer, Call, Endpoint, Sent, json_answer, sent_by
from config.core.gathering import Gatherer, one_per_loop
from config.core.limits import SYNCS
from config.core.metrics import EVENT_STREAMS, LONG_POLLS, SOCKETS_ENDED
from config.core.request import address_block
from config.core.threads import in_thread
from leaderboards.admission import admission, retry_after_ms
from leaderboards.api.answers import BoardBytes, board_bytes
from leaderboards.api.reports import UPDATED, read_report
from leaderboards.frames import closing_frame
from leaderboards.hub import hub
from leaderboards.live import Shown, best_rows
from leaderboards.services import Report, report_together
from leaderboards.tickets import InvalidTicket, open_ticket
from leaderboards.watching import (
    MOST_ROWS,
    MOST_WAIT_SECONDS,
    At,
    Close,
    Ended,
    InvalidView,
    Sight,
    View,
    Watcher,
    at_of,
    view_of,
)

PING_SECONDS = 15.0
RETRY_MS = 2000

_ID = r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
_PAGE_HEADERS = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"private"),
)
_STREAM_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # or nginx would keep events back
)


# --- A page ---


class Page(NamedTuple):
    """The best rows of a board; for ``wait`` seconds not before they differ from what the caller has."""

    board_id: UUID
    limit: int
    wait: int


def read_page(groups: tuple[str, ...], query: dict[str, str]) -> Page | None:
    if not query.keys() <= {"limit", "offset", "wait"} or query.get("offset", "0") != "0":
        return None
    limit, wait = query.get("limit", "100"), query.get("wait", "0")
    if not (_is_number(limit, 1, MOST_ROWS) and _is_number(wait, 0, MOST_WAIT_SECONDS)):
        return None
    return Page(UUID(groups[0]), int(limit), int(wait))


def _is_number(text: str, least: int, most: int) -> bool:
    return text.isdecimal() and text.isascii() and len(text) < 6 and least <= int(text) <= most


async def answer_page(call: Call) -> Answer:
    page: Page = call.what
    assert call.caller is not None
    here, viewer_id = hub(), call.caller.person_id
    if not here.is_admitted(page.board_id, viewer_id):
        await here.admit(page.board_id, viewer_id)
    found = bytes_of(await here.fresh(page.board_id, limit=page.limit), page.limit)
    known = call.headers.get(b"if-none-match")
    if known is not None and _matches(known, found.etag):
        changed = await _wait_for_change(call, page, found, known) if page.wait else None
        if changed is None:
            return Answer(b"", 304, (*_PAGE_HEADERS[1:], (b"etag", found.etag)))
        found = changed
    return Answer(found.body, 200, (*_PAGE_HEADERS, (b"etag", found.etag)))


def bytes_of(shown: Shown, limit: int) -> BoardBytes:
    """Made once for all who ask; made anew when the time has changed what it says."""
    key = ("page", limit)
    found: BoardBytes | None = shown.found(key)
    if found is None or (found.valid_until is not None and found.valid_until <= time.time()):
        found = shown.made[key] = board_bytes(best_rows(shown.page, limit), shown.competition, datetime.now(UTC))
    return found


def _matches(known: bytes, etag: bytes) -> bool:
    if known == etag:
        return True
    sent = parse_etags(known.decode("latin-1"))
    return "*" in sent or etag.decode() in {tag.removeprefix("W/") for tag in sent}


async def _wait_for_change(call: Call, page: Page, found: BoardBytes, known: bytes) -> BoardBytes | None:
    """The page once it differs; None when it did not within the time. Raises NotFound when it is hidden meanwhile."""
    assert call.caller is not None
    watcher, until = Watcher(call.caller.person_id), time.monotonic() + page.wait
    with_room = _Room(call, watcher, LONG_POLLS)
    try:
        sight = await hub().watch(page.board_id, watcher, View(page.limit, delta=True), None)
        while True:
            async with asyncio.timeout(until - time.monotonic()):
                await watcher.next_sight()
            shown = sight.scene.shown  # type: ignore[attr-defined]  # a board's, as this is no window
            if shown is not None:
                found = bytes_of(shown, page.limit)
                if not _matches(known, found.etag):
                    return found
    except TimeoutError:  # its dates may have moved, which watchers are not told of
        found = bytes_of(await hub().fresh(page.board_id, limit=page.limit), page.limit)
        return None if _matches(known, found.etag) else found
    except Ended as ended:
        if ended.reason == Close.NOT_FOUND:
            raise NotFound from None
        return None
    finally:
        with_room.leave()


# --- A stream ---


class Stream(NamedTuple):
    board_id: UUID
    view: View
    since: At | None
    ticket: str
    token: str


def read_stream(groups: tuple[str, ...], query: dict[str, str]) -> Stream | None:
    try:
        view = view_of(query)
    except InvalidView:
        return None
    return Stream(UUID(groups[0]), view, at_of(query), query.get("ticket", ""), query.get("token", ""))


async def answer_stream(call: Call) -> Answer:
    asked: Stream = call.what
    admission.knock()
    viewer_id, expires_at = await _identify(call)
    if asked.view.window is not None and viewer_id is None:
        raise Forbidden("A ticket that is nobody's has no window of its own.")
    await hub().admit(asked.board_id, viewer_id)
    watcher = Watcher(viewer_id)
    room = _Room(call, watcher, EVENT_STREAMS, expires_at)
    last_seen = call.headers.get(b"last-event-id", b"").decode("latin-1").partition(":")
    since = at_of({"epoch": last_seen[0], "version": last_seen[2]}) or asked.since
    return Answer(_events(call, watcher, room, since), 200, _STREAM_HEADERS)


async def _identify(call: Call) -> tuple[UUID | None, float]:
    """Who it is, None for anybody, and until when, in seconds since 1970. Raises Unauthenticated."""
    asked: Stream = call.what
    if call.caller is not None:
        return call.caller.person_id, call.caller.expires_at
    try:
        if asked.ticket:
            opened = await in_thread(open_ticket)(asked.ticket, asked.board_id, timezone.now())
            return opened.viewer.id if opened.viewer else None, opened.expires_at.timestamp()
        caller = await recognise(asked.token)
    except (InvalidTicket, InvalidToken):
        raise Unauthenticated from None
    return caller.person_id, caller.expires_at


async def _events(call: Call, watcher: Watcher, room: "_Room", since: At | None) -> AsyncGenerator[bytes]:
    """Frames with the state that they lead to as their id, until the client goes or has to."""
    asked: Stream = call.what
    try:
        yield b"retry: %d\n\n" % RETRY_MS
        sight = await hub().watch(asked.board_id, watcher, asked.view, since)
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    frame = await watcher.next_frame()
            except TimeoutError:
                yield b": still here\n\n"
            else:
                yield _event(sight, frame)
    except Ended as ended:
        if ended.reason is not None:
            SOCKETS_ENDED.labels(reason=ended.reason.name.lower()).inc()
            wait_ms = retry_after_ms(ended.reason)
            if wait_ms is not None:
                yield b"retry: %d\n\n" % wait_ms
            yield b"data: %s\n\n" % closing_frame(int(ended.reason), ended.reason.words, wait_ms).encode()
    finally:
        room.leave()


def _event(sight: Sight, frame: str) -> bytes:
    epoch, version = sight.at or ("", 0)
    return b"id: %s:%d\ndata: %s\n\n" % (epoch.encode(), version, frame.encode())


class _Room:
    """The place of somebody who stays: counted as sockets are, and given back with `leave`. Raises TooMany."""

    def __init__(self, call: Call, watcher: Watcher, counted: Gauge, expires_at: float | None = None) -> None:
        self._watcher = watcher
        self._counted = counted
        self._address = address_block(call.address())
        admission.enter(watcher.viewer_id, self._address)
        counted.inc()
        self._gone = asyncio.create_task(self._notice_going(call))
        loop = asyncio.get_running_loop()
        seconds = None if expires_at is None else max(0.0, expires_at - time.time())
        self._expiry = None if seconds is None else loop.call_later(seconds, watcher.end, Close.UNAUTHENTICATED)

    async def _notice_going(self, call: Call) -> None:
        while (await call.receive())["type"] != "http.disconnect":
            pass
        self._watcher.end(None)

    def leave(self) -> None:
        self._gone.cancel()
        if self._expiry is not None:
            self._expiry.cancel()
        hub().leave(self._watcher)
        admission.leave(self._watcher.viewer_id, self._address)
        self._counted.dec()


# --- Reports ---


def take_reports(sent: Sequence[Sent]) -> list[dict[str, Any] | Exception]:
    """Takes what several callers reported, in one transaction, and says what each is answered or why they are
    refused."""
    callers = callers_by_id({one.caller_id for one in sent})
    outcomes: list[dict[str, Any] | Exception] = []
    reports: dict[int, Report] = {}
    for place, one in enumerate(sent):
        try:
            caller = callers.get(one.caller_id)
            if caller is None:
                raise Unauthenticated
            if isinstance(caller, ServiceKey) and not caller.allows(Scope.SCORES_WRITE):
                raise PermissionDenied  # as the view, before it reads what was sent
            reports[place] = read_report(caller, one.body, one.at)
        except Exception as error:
            if as_refusal(error) is None:
                raise
            outcomes.append(error)
        else:
            outcomes.append(envelope(message=UPDATED))
    refusals = report_together(list(reports.values()))
    for place, refusal in zip(reports, refusals, strict=True):
        outcomes[place] = refusal or outcomes[place]
    return outcomes


_reports = one_per_loop(lambda: Gatherer(in_thread(take_reports)))


async def answer_report(call: Call) -> Answer | None:
    sent = await sent_by(call)
    return None if sent is None else json_answer(await _reports().put(sent))


endpoints = [
    Endpoint(
        method="GET",
        path=re.compile(rf"/api/v1/leaderboard/{_ID}/?"),
        view="leaderboards.api.views.BoardView",
        read=read_page,
        answer=answer_page,
    ),
    Endpoint(
        method="GET",
        path=re.compile(rf"/api/v1/leaderboard/{_ID}/stream/?"),
        view="leaderboards.api.views.StreamView",
        read=read_stream,
        answer=answer_stream,
        anonymous=True,
    ),
    Endpoint(
        method="POST",
        path=re.compile(r"/api/v1/leaderboard/update/?"),
        view="leaderboards.api.views.ReportView",
        read=lambda groups, query: () if not query else None,
        answer=answer_report,
        services=True,
        limit=SYNCS,
    ),
]
