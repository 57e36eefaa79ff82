"""The page of a public board, as somebody in front of a screen meets it."""

import json
import random
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx
import pytest
from playwright.sync_api import Page, WebSocketRoute, expect
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from competitions.models import Competition
from competitions.rules import TieRule
from leaderboards.frames import closing_frame, delta_frame, snapshot_frame
from leaderboards.queries import BoardPage
from leaderboards.ranking import Placing
from tests.browser.conftest import OpenPage, Server, Visit
from tests.conftest import MakeCompetition, MakePerson
from tests.leaderboards.histories import COMPETITION, START, Walker, page_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MARKUP = "<script>document.title = 'taken over'</script>"
PHONE = {"width": 360, "height": 740}
Join = Callable[..., None]


@pytest.fixture
def board(make_competition: MakeCompetition) -> Competition:
    return make_competition(visibility="public", description="Around the lake and back.")


@pytest.fixture
def walkers(make_person: MakePerson, join: Join, board: Competition) -> dict[str, str]:
    """Three participants' tokens, by name."""
    people = [make_person(name) for name in ("Ada", "Ben", "Cleo")]
    join(board, *people)
    return {person.name: token_of(person) for person in people}


@pytest.fixture
def walked(server: Server, walkers: dict[str, str]) -> dict[str, str]:
    """The three have walked: Ada most, Cleo least."""
    for name, steps in {"Ada": 12_345, "Ben": 8_000, "Cleo": 900}.items():
        server.sync(walkers[name], steps=steps, distance=steps * 0.7)
    return walkers


def token_of(person: User) -> str:
    return str(AccessToken.for_user(person))


def path_of(board: Competition) -> str:
    return f"/boards/{board.id}"


def expect_names(visit: Visit, *names: str) -> None:
    expect(visit.page.locator("#rows .name")).to_have_text(list(names), timeout=20_000)


def expect_link(visit: Visit, text: str) -> None:
    expect(visit.page.get_by_role("status")).to_have_text(text, timeout=20_000)


def overflow(visit: Visit) -> int:
    return int(visit.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


# --- As it arrives ---


def test_the_page_is_complete_without_javascript(
    open_page: OpenPage, board: Competition, walked: dict[str, str]
) -> None:
    visit = open_page(path_of(board), java_script_enabled=False)
    assert visit.names == ["Ada", "Ben", "Cleo"]
    assert visit.scores == ["12,345", "8,000", "900"]
    assert visit.page.locator("#rows .aside").all_text_contents() == ["8.6 km", "5.6 km", "630 m"]
    text = visit.page.inner_text("main")
    for told in ("Lake walk", "Running", "Around the lake and back.", "Day 4 of 7", "3 participants", "UTC"):
        assert told in text
    assert "Counting steps." in text
    assert "whoever got there first stands higher" in text
    assert "as of" in text


def test_a_board_without_people_says_so(open_page: OpenPage, board: Competition) -> None:
    visit = open_page(path_of(board))
    expect(visit.page.get_by_text("Nobody has joined yet.")).to_be_visible()
    expect_link(visit, "Live")
    expect(visit.page.get_by_text("Nobody has joined yet.")).to_be_visible()


def test_a_competition_in_its_grace_is_called_provisional(
    open_page: OpenPage, make_competition: MakeCompetition
) -> None:
    ended = make_competition(visibility="public", starts=-3, ends=-1)
    visit = open_page(path_of(ended))
    expect(visit.page.locator(".about .status")).to_have_text("Provisional")
    assert "may still arrive" in visit.page.inner_text(".about")


def test_distance_competitions_show_metres_and_steps(
    open_page: OpenPage, server: Server, make_competition: MakeCompetition, join: Join, person: User
) -> None:
    board = make_competition(visibility="public", metric="distance")
    join(board, person)
    server.sync(token_of(person), steps=2000, distance=1500.5)
    visit = open_page(path_of(board))
    expect_link(visit, "Live")
    expect(visit.page.locator(".row .score")).to_have_text("1,500 m")
    expect(visit.page.locator(".row .aside")).to_have_text("2,000 steps")


def test_a_name_with_markup_shows_as_text(
    open_page: OpenPage, server: Server, board: Competition, make_person: MakePerson, join: Join
) -> None:
    sly, late = make_person(MARKUP), make_person(f"{MARKUP} & Sons")
    join(board, sly)
    token = token_of(late)
    visit = open_page(path_of(board))
    expect_names(visit, MARKUP)
    expect_link(visit, "Live")
    headers = {"Authorization": f"Bearer {token}"}
    httpx.post(f"{server.address}/api/v1/competitions/{board.id}/join", headers=headers).raise_for_status()
    expect_names(visit, MARKUP, f"{MARKUP} & Sons")  # this one came over the socket
    assert visit.page.title() == "Lake walk · Pacesetter"
    assert visit.complaints == []


# --- Live ---


def test_a_sync_moves_a_row_to_the_top_without_a_reload(
    open_page: OpenPage, server: Server, board: Competition, walked: dict[str, str]
) -> None:
    visit = open_page(path_of(board))
    expect_link(visit, "Live")
    visit.page.evaluate("window.sameDocument = true; window.cleo = document.querySelector('#rows').lastElementChild")
    server.sync(walked["Cleo"], steps=20_000, distance=14_000)
    expect_names(visit, "Cleo", "Ada", "Ben")
    assert visit.scores == ["20,000", "12,345", "8,000"]
    assert visit.page.locator("#rows .rank").all_text_contents() == ["1", "2", "3"]
    assert visit.page.evaluate(
        "window.sameDocument && window.cleo === document.querySelector('#rows').firstElementChild"
    )
    expect(visit.page.locator("#updated")).to_have_text(re.compile(r"updated (just now|\d s ago)"))
    assert visit.complaints == []


def test_a_row_glides_unless_the_visitor_asked_for_stillness(
    open_page: OpenPage, server: Server, board: Competition, walked: dict[str, str]
) -> None:
    moves = (
        "window.moves = 0; const real = Element.prototype.animate; Element.prototype.animate = function (frames, how)"
    )
    spy = f"{moves} {{ if (frames[0].transform) window.moves++; return real.call(this, frames, how); }}"
    lively = open_page(path_of(board), prepare=lambda page: page.add_init_script(spy))
    still = open_page(path_of(board), prepare=lambda page: page.add_init_script(spy), reduced_motion="reduce")
    for visit in (lively, still):
        visit.page.bring_to_front()
        expect_link(visit, "Live")
    lively.page.bring_to_front()
    server.sync(walked["Cleo"], steps=20_000, distance=14_000)
    for visit in (lively, still):
        expect_names(visit, "Cleo", "Ada", "Ben")
    assert lively.page.evaluate("window.moves") == 3
    assert still.page.evaluate("window.moves") == 0


def test_somebody_who_leaves_is_taken_off_the_board(
    open_page: OpenPage, server: Server, board: Competition, walked: dict[str, str]
) -> None:
    visit = open_page(path_of(board))
    expect_link(visit, "Live")
    headers = {"Authorization": f"Bearer {walked['Ben']}"}
    httpx.post(f"{server.address}/api/v1/competitions/{board.id}/leave", headers=headers).raise_for_status()
    expect_names(visit, "Ada", "Cleo")
    expect(visit.page.locator("#standings")).to_have_text("2 participants")


def test_the_page_finds_its_way_back_after_the_server_was_killed(
    open_page: OpenPage, server: Server, board: Competition, walked: dict[str, str]
) -> None:
    visit = open_page(path_of(board))
    expect_link(visit, "Live")
    visit.page.evaluate("window.sameDocument = true")
    server.kill()
    expect_link(visit, "Reconnecting…")
    assert visit.names == ["Ada", "Ben", "Cleo"], "the last known board stays"
    with Server() as elsewhere:  # another process of the same installation, which the page knows nothing of
        elsewhere.sync(walked["Ben"], steps=15_000, distance=10_500)
    server.start()
    expect_link(visit, "Live")
    expect_names(visit, "Ben", "Ada", "Cleo")
    assert visit.page.evaluate("window.sameDocument"), "it came back without a reload"


def test_after_many_changes_the_page_shows_the_board_of_the_api(
    open_page: OpenPage, server: Server, board: Competition, walked: dict[str, str]
) -> None:
    chance, visit = random.Random(4), open_page(path_of(board))
    expect_link(visit, "Live")
    clients = {
        name: httpx.Client(base_url=f"{server.address}/api/v1", headers={"Authorization": f"Bearer {token}"})
        for name, token in walked.items()
    }
    for number in range(30):
        name = chance.choice(list(clients))
        match chance.choice(["sync", "sync", "sync", "rename", "leave", "join"]):
            case "sync":
                server.sync(walked[name], steps=chance.randint(1_000, 40_000), distance=chance.randint(1, 9_000))
            case "rename":
                clients[name].patch("/users/me/profile", json={"name": f"{name} {number}"}).raise_for_status()
            case move:
                clients[name].post(f"/competitions/{board.id}/{move}")  # a 409 for who is there or gone already
    entries = clients["Ada"].get(f"/leaderboard/{board.id}").json()["data"]["entries"]
    assert entries
    expect_names(visit, *(entry["user_name"] for entry in entries))
    expect(visit.page.locator("#rows .score b")).to_have_text([f"{entry['score']:,}" for entry in entries])
    expect(visit.page.locator("#rows .rank")).to_have_text([str(entry["rank"]) for entry in entries])
    expect(visit.page.locator("#standings")).to_contain_text(f"{len(entries)} participant")
    assert visit.complaints == []


def test_without_a_network_the_page_says_offline_and_comes_back_with_it(
    open_page: OpenPage, board: Competition, walked: dict[str, str]
) -> None:
    visit = open_page(path_of(board))
    expect_link(visit, "Live")
    visit.page.context.set_offline(True)
    expect_link(visit, "Offline")
    visit.page.context.set_offline(False)
    expect_link(visit, "Live")


# --- A server that says what a test wants it to say ---


class Scripted:
    """Stands in for the server's end of the socket and keeps what the page sent."""

    def __init__(self) -> None:
        self.sockets: list[WebSocketRoute] = []
        self.sent: list[Any] = []

    def open(self, open_page: OpenPage, board: Competition, *, prepare: Callable[[Page], None] | None = None) -> Visit:
        """The board's page when it has connected. Its time goes on by itself, and may be moved by its ``clock``."""

        def prepare_all(page: Page) -> None:
            page.clock.install()
            page.route_web_socket(re.compile("/ws/leaderboard/"), self._connected)
            if prepare is not None:
                prepare(page)

        visit = open_page(path_of(board), prepare=prepare_all)
        self.expect(visit, lambda _: len(self.sockets) == 1)
        return visit

    def _connected(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda text: self.sent.append(json.loads(text)))

    def show(self, board: Competition, *, epoch: str, version: int, name: str) -> None:
        ranking = {"userId": "1", "userName": name, "score": 1, "rank": 1, "steps": 1, "distance": 1, "calories": 1}
        data = {
            "competitionId": str(board.id),
            "rankings": [ranking],
            "timestamp": "2024-01-01T12:00:00Z",
            "epoch": epoch,
            "version": version,
            "totalCount": 1,
        }
        self.sockets[-1].send(json.dumps({"type": "leaderboard_update", "data": data}))

    def say(self, board: Competition, frame: str) -> None:
        """A frame of any board as one of this board."""
        self.sockets[-1].send(frame.replace(COMPETITION, str(board.id)))

    def query(self) -> dict[str, str]:
        """What the page asked for when it connected last."""
        return dict(parse_qsl(urlsplit(self.sockets[-1].url).query))

    def expect(self, visit: Visit, arrived: Callable[[list[Any]], bool]) -> None:
        """Waits while the page goes on, as Playwright hears of messages only then."""
        for _ in range(200):
            if self.sent and arrived(self.sent):
                return
            visit.page.wait_for_timeout(50)
        raise AssertionError(f"the page sent only {self.sent}")


def test_an_older_frame_of_the_same_epoch_is_dropped(open_page: OpenPage, board: Competition) -> None:
    scripted = Scripted()
    visit = scripted.open(open_page, board)
    scripted.show(board, epoch="first", version=7, name="Seven")
    expect_names(visit, "Seven")
    scripted.show(board, epoch="first", version=6, name="Six")
    scripted.show(board, epoch="first", version=8, name="Eight")
    expect_names(visit, "Eight")
    scripted.show(board, epoch="first", version=7, name="Seven")
    visit.page.wait_for_timeout(300)
    expect_names(visit, "Eight")
    scripted.show(board, epoch="second", version=1, name="Anew")
    expect_names(visit, "Anew")


def test_a_silent_socket_is_pinged_after_25_seconds_and_given_up_after_60(
    open_page: OpenPage, board: Competition
) -> None:
    scripted = Scripted()
    visit = scripted.open(open_page, board)
    scripted.show(board, epoch="first", version=1, name="Ada")
    expect_link(visit, "Live")
    before = len(scripted.sent)
    visit.page.clock.run_for(27_000)
    assert scripted.sent[before:] == [{"type": "ping"}]
    assert len(scripted.sockets) == 1
    visit.page.clock.run_for(40_000)
    assert len(scripted.sockets) > 1
    expect_link(visit, "Reconnecting…")


def in_page(walkers: dict[int, Walker], version: int) -> BoardPage:
    return page_of(walkers, version=version, tie_rule=TieRule.SHARED)


def a_walker(number: int, score: int, name: str) -> Walker:
    return Walker(Placing(UUID(int=number), score, START, START), name)


def test_a_delta_moves_what_it_lists_and_numbers_the_rest(open_page: OpenPage, board: Competition) -> None:
    scripted = Scripted()
    visit = scripted.open(open_page, board)
    before = {number: a_walker(number, score, name) for number, score, name in ((1, 9, "Ada"), (2, 5, "Ben"))}
    after = before | {3: a_walker(3, 9, "Cleo"), 2: a_walker(2, 7, "Benjamin")}
    scripted.say(board, snapshot_frame(in_page(before, 1)))
    expect_names(visit, "Ada", "Ben")
    scripted.say(board, delta_frame(in_page(before, 1), in_page(after, 2)))
    expect_names(visit, "Ada", "Cleo", "Benjamin")
    assert visit.scores == ["9", "9", "7"]
    assert visit.page.locator("#rows .rank").all_text_contents() == ["1", "1", "3"]
    expect(visit.page.locator("#standings")).to_have_text("3 participants")
    expect_link(visit, "Live")
    assert visit.complaints == []


def test_a_gap_is_asked_for_once_and_closed_by_the_answer(open_page: OpenPage, board: Competition) -> None:
    scripted = Scripted()
    visit = scripted.open(open_page, board)
    pages = [in_page({1: a_walker(1, version, f"At {version}")}, version) for version in (0, 1, 2, 3, 4)]
    scripted.say(board, snapshot_frame(pages[1]))
    expect_names(visit, "At 1")
    scripted.say(board, delta_frame(pages[2], pages[3]))
    scripted.say(board, delta_frame(pages[3], pages[4]))
    scripted.expect(visit, lambda sent: sent[-1]["type"] == "resume")
    assert visit.names == ["At 1"]
    scripted.say(board, delta_frame(pages[1], pages[4]))
    expect_names(visit, "At 4")
    expect_link(visit, "Live")
    asked = [message for message in scripted.sent if message["type"] == "resume"]
    assert asked == [{"type": "resume", "competitionId": str(board.id), "epoch": pages[1].epoch, "version": 1}]


def test_a_gap_that_nobody_closes_is_said_until_there_is_a_board(open_page: OpenPage, board: Competition) -> None:
    scripted = Scripted()
    visit = scripted.open(open_page, board)
    pages = [in_page({1: a_walker(1, version, f"At {version}")}, version) for version in range(5)]
    scripted.say(board, snapshot_frame(pages[1]))
    expect_names(visit, "At 1")
    expect_link(visit, "Live")
    scripted.say(board, delta_frame(pages[2], pages[3]))
    scripted.expect(visit, lambda sent: sent[-1]["type"] == "resume")
    visit.page.clock.run_for(13_000)
    expect_link(visit, "Reconnecting…")
    scripted.expect(visit, lambda _: len(scripted.sockets) == 2)
    assert "version" not in scripted.query(), "the whole board is asked for"
    scripted.sockets[-1].send('{"type": "pong"}')
    visit.page.clock.run_for(1_000)
    expect_link(visit, "Reconnecting…")
    scripted.say(board, snapshot_frame(pages[4]))
    expect_names(visit, "At 4")
    expect_link(visit, "Live")


def test_the_page_comes_back_to_where_it_was(open_page: OpenPage, board: Competition) -> None:
    scripted = Scripted()
    visit = scripted.open(open_page, board)
    first = scripted.query()
    assert first["mode"] == "delta"
    assert first["version"] == "0"
    scripted.show(board, epoch="another", version=7, name="Ada")
    expect_names(visit, "Ada")
    scripted.sockets[-1].close(code=1006)
    scripted.expect(visit, lambda _: len(scripted.sockets) == 2)
    assert scripted.query() == first | {"epoch": "another", "version": "7"}


def test_a_server_that_says_when_to_come_back_is_believed(open_page: OpenPage, board: Competition) -> None:
    scripted = Scripted()
    visit = scripted.open(open_page, board)
    scripted.show(board, epoch="first", version=1, name="Ada")
    expect_link(visit, "Live")
    scripted.sockets[-1].send(closing_frame(1012, "The server restarts.", 20_000))
    scripted.sockets[-1].close(code=1012)
    expect_link(visit, "Reconnecting…")
    visit.page.clock.run_for(19_000)
    assert len(scripted.sockets) == 1
    visit.page.clock.run_for(2_000)
    scripted.expect(visit, lambda _: len(scripted.sockets) == 2)


def test_a_ticket_is_renewed_before_it_ends_and_nothing_is_reloaded(
    open_page: OpenPage, server: Server, board: Competition
) -> None:
    scripted = Scripted()
    visit = scripted.open(open_page, board)
    first = scripted.query()["ticket"]
    scripted.show(board, epoch="first", version=1, name="Ada")
    expect_link(visit, "Live")
    visit.page.evaluate("window.sameDocument = true")
    with visit.page.expect_response("**/api/v1/auth/ticket") as answered:
        visit.page.clock.fast_forward(49 * 60_000)
        visit.page.clock.run_for(1_000)
    assert answered.value.status == 201
    fresh = answered.value.json()["data"]["ticket"]
    assert fresh != first
    visit.page.clock.run_for(5_000)  # it was silent for 49 minutes: the page comes back, with the fresh one
    scripted.expect(visit, lambda _: scripted.query()["ticket"] == fresh)
    assert httpx.post(f"{server.address}/api/v1/auth/ticket", json={"ticket": fresh}).status_code == 201
    assert visit.page.evaluate("window.sameDocument")
    assert visit.complaints == []


def test_a_refused_ticket_is_renewed_without_a_reload(open_page: OpenPage, board: Competition) -> None:
    scripted = Scripted()
    visit = scripted.open(open_page, board)
    scripted.show(board, epoch="first", version=1, name="Ada")
    expect_link(visit, "Live")
    visit.page.evaluate("window.sameDocument = true")
    first = scripted.query()["ticket"]
    scripted.sockets[-1].close(code=4401)
    expect_link(visit, "Renewing…")
    scripted.expect(visit, lambda _: len(scripted.sockets) == 2)
    assert scripted.query()["ticket"] != first
    scripted.show(board, epoch="first", version=2, name="Ben")
    expect_names(visit, "Ben")
    expect_link(visit, "Live")
    assert visit.page.evaluate("window.sameDocument")


def test_a_ticket_that_cannot_be_renewed_reloads_the_page_once_a_minute_at_most(
    open_page: OpenPage, board: Competition
) -> None:
    scripted = Scripted()

    def refuse(page: Page) -> None:
        page.route("**/api/v1/auth/ticket", lambda route: route.fulfill(status=401, json={}))

    visit = scripted.open(open_page, board, prepare=refuse)
    scripted.show(board, epoch="first", version=1, name="Ada")
    expect_link(visit, "Live")
    visit.page.evaluate("window.sameDocument = true")
    with visit.page.expect_response("**/api/v1/auth/ticket"):
        scripted.sockets[-1].close(code=4401)
        visit.page.clock.run_for(1_000)
    expect_link(visit, "Renewing…")
    visit.page.clock.run_for(50_000)
    assert visit.page.evaluate("window.sameDocument"), "a page that is a minute young was not served stale"
    with visit.page.expect_navigation():
        visit.page.clock.run_for(12_000)
    assert visit.page.evaluate("window.sameDocument === undefined")


def test_a_board_that_is_gone_stops_the_page_from_asking(open_page: OpenPage, board: Competition) -> None:
    scripted = Scripted()
    visit = scripted.open(open_page, board)
    scripted.show(board, epoch="first", version=1, name="Ada")
    expect_link(visit, "Live")
    scripted.sockets[-1].close(code=4404)
    expect_link(visit, "This board is no longer here")
    visit.page.wait_for_timeout(2_500)
    assert len(scripted.sockets) == 1


# --- On every screen ---


def test_nothing_scrolls_sideways_on_a_phone(
    open_page: OpenPage, server: Server, make_competition: MakeCompetition, make_person: MakePerson, join: Join
) -> None:
    board = make_competition(visibility="public", name="W" * 120, timezone="America/Argentina/ComodRivadavia")
    person = make_person("W" * 80)
    join(board, person)
    server.sync(token_of(person), steps=199_999, distance=199_999)
    for path in (path_of(board), "/boards", "/boards/nowhere"):
        assert overflow(open_page(path, viewport=PHONE)) == 0, path


def test_a_long_board_uses_the_width_of_a_wall(
    open_page: OpenPage, board: Competition, make_person: MakePerson, join: Join
) -> None:
    join(board, *(make_person(f"Walker {number}") for number in range(20)))
    visit = open_page(path_of(board), viewport={"width": 1920, "height": 1080})
    lefts = "[...document.querySelectorAll('.row')].map((row) => row.offsetLeft)"
    assert len(set(visit.page.evaluate(lefts))) == 2
    assert overflow(visit) == 0


def test_the_dark_scheme_is_dark_and_the_light_one_light(open_page: OpenPage, board: Competition) -> None:
    colour = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    light = open_page(path_of(board), color_scheme="light").page.evaluate(colour)
    dark = open_page(path_of(board), color_scheme="dark").page.evaluate(colour)
    assert min(light) > 200
    assert max(dark) < 50


def test_the_pages_load_without_a_complaint_in_the_console(
    open_page: OpenPage, board: Competition, walked: dict[str, str]
) -> None:
    visit = open_page(path_of(board))
    expect_link(visit, "Live")
    listed = open_page("/boards")
    assert visit.complaints + listed.complaints == []


# --- The list, and what is not there ---


def test_the_list_leads_to_the_board(
    open_page: OpenPage, board: Competition, make_competition: MakeCompetition
) -> None:
    make_competition(visibility="public", name="Next month", starts=20, ends=30)
    make_competition(name="Members only")
    visit = open_page("/boards")
    assert visit.page.locator(".card h2").all_inner_texts() == ["Lake walk", "Next month"]
    visit.page.get_by_role("link", name="Lake walk").click()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Lake walk")


def test_a_board_that_is_not_public_is_a_page_for_people_and_json_for_programs(
    open_page: OpenPage, server: Server, make_competition: MakeCompetition
) -> None:
    hidden = make_competition(name="Members only")
    visit = open_page(path_of(hidden))
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("There is no public board under this address.")
    expect(visit.page.get_by_role("link", name="See the public boards")).to_be_visible()
    assert "Members only" not in visit.page.content()
    answer = httpx.get(f"{server.address}{path_of(hidden)}")
    assert answer.status_code == 404
    assert answer.json()["error"] == "Not Found"
