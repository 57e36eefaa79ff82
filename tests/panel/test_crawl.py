"""Every address of the panel, opened as everybody: it answers, to whom it should, after a bounded number of questions.

The addresses are found from the panel's own map. One that this test knows nothing of fails it: whoever adds a page says
here who may open it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib import admin
from django.core.management import call_command
from django.db import connection, reset_queries, transaction
from django.http import HttpRequest
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, reverse
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import Delivery, Device, Notification, Phone, User
from accounts.notices import Channel, Event
from accounts.services.suppressing import suppress_address
from competitions.models import Competition
from config.demo.people import ADMIN_EMAIL
from config.demo.staff import NEWCOMER, ORGANISER, REVIEWER, SUPPORT, TREASURER
from tests.conftest import open_panel
from tests.doors.asking import rows_written, taken_back

WHO = {
    "S": ADMIN_EMAIL,  # superuser
    "O": ORGANISER.email,
    "R": REVIEWER.email,
    "T": TREASURER.email,
    "P": SUPPORT.email,
    "N": NEWCOMER.email,  # staff without a role
    "W": "walker1@demo.example",
    "-": None,  # nobody
}
STAFF = "SORTPN"

# Whose rows are shown to whom; the list, a row's page and its history. Everybody else on the staff gets 403, and an
# organiser who asks for a row of somebody else's competition is told that it does not exist.
TABLES = {
    "accounts_delivery": "SP",
    "accounts_device": "SP",
    "accounts_notification": "SP",
    "accounts_phone": "SP",
    "accounts_servicekey": "S",
    "accounts_suppression": "SP",
    "accounts_user": "SP",
    "auth_group": "S",
    "axes_accessattempt": "S",
    "axes_accesslog": "S",
    "competitions_competition": "SORTP",
    "competitions_participant": "SORTP",
    "competitions_rulesversion": "SORTP",
    "competitions_seat": "SOTP",
    "competitions_statusmove": "SOP",
    "fitness_activity": "SRP",
    "fitness_connection": "SP",
    "fitness_countedday": "SRP",
    "fitness_datasource": "SRP",
    "fitness_flag": "SRP",
    "fitness_import": "SP",
    "fitness_sample": "SRP",
    "fitness_supersededactivity": "SRP",
    "leaderboards_board": "SOP",
    "leaderboards_correction": "SORTP",
    "leaderboards_finalstandings": "SORTP",
    "leaderboards_standing": "SORTP",
    "prizes_account": "ST",
    "prizes_awardlist": "STP",
    "prizes_entry": "ST",
    "prizes_gatewayevent": "ST",
    "prizes_payment": "STP",
    "prizes_payoutaccount": "ST",
    "prizes_sandboxfault": "S",
    "prizes_settlement": "STP",
    "prizes_transfer": "STP",
    "prizes_treasuryaction": "ST",
    "procrastinate_procrastinatejob": "SP",
}
ADDED_TO = {
    "accounts_servicekey": "S",
    "auth_group": "S",
    "leaderboards_correction": "S",
    "prizes_sandboxfault": "S",
}
DELETED_FROM = {"auth_group": "S"}
HAS_NO_PAGE_OF_A_ROW = {"accounts_servicekey": "a key is not changed, only revoked"}
PAGES_OF_A_TABLE = ("changelist", "csv", "add", "change", "history", "delete")
STEPS = {"prizes_settlement_step": "ST", "prizes_transfer_step": "ST", "prizes_payment_step": "ST"}

# Pages that are nobody's row: who may open them, and what the others on the staff are told.
PAGES: Mapping[str, tuple[str, int]] = {
    "index": (STAFF, 0),
    "search": (STAFF, 0),
    "password_change": (STAFF, 0),
    "password_change_done": (STAFF, 0),
    "jsi18n": (STAFF, 0),
    "app_list": ("SORTP", 404),
    "autocomplete": ("", 403),  # without the field that it is to complete
    "audit": ("SORTP", 404),
    "competitions_competition_board": ("SORTP", 404),
    "competitions_competition_step": ("SO", 403),
    "codes": (STAFF, 0),
    "confirm": (STAFF, 0),
    "reset_codes": ("S", 403),
    "new_competition": ("SO", 403),
    "competitions_competition_new_competition": ("SO", 403),
    "new_competition_step": ("SO", 403),
    "what_if": ("SOT", 403),
    "message_preview": ("SOP", 403),
    "insights": ("SORTP", 403),
    "insights_csv": ("SORTP", 403),
    "competition_insights": ("SORTP", 404),
    "competition_insights_csv": ("SORTP", 404),
}
LEADS_ON = {"new_competition", "new_competition_step", "competitions_competition_new_competition"}
"""To the first step of a wizard."""
NOT_ASKED = {
    "login": "how one comes in",
    "code": "how one comes in",
    "enrol": "how one comes in",
    "leave": "takes a POST, and ends the crawl",
    "logout": "takes a POST, and ends the crawl",
}

MOST_QUERIES = 40
"""On a page. A list asks some ten, the audit trail of a competition one or two for each of its thirteen tables, and the
page of a competition's money, the longest, somewhat more than thirty."""
MOST_QUERIES_OF_A_REHEARSAL = 80
"""On the page of a step with money, which does it and takes it back: a distribution asks more than sixty."""
MOST_BLOCKS = 30_000
"""Pages of 8 kB that one statement reads: those of ten thousand rows in three scattered places each. Nothing that grows
with a table of millions stays below that."""
COUNT_EVERYTHING = {"insights", "insights_csv", "competition_insights", "competition_insights_csv"}
"""Their charts are about all rows that there are, and kept for a while: who comes next reads little."""


@dataclass(frozen=True)
class Page:
    name: str
    address: str


@dataclass(frozen=True)
class Answer:
    status: int
    queries: Sequence[str]


# --- The world ---


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    yield from seeded(django_db_blocker, people=60, competitions=12)


def seeded(blocker: DjangoDbBlocker, *, people: int, competitions: int) -> Iterator[None]:
    """A demo world that is taken back after the last of these tests."""
    as_in_the_demo = override_settings(
        DEBUG=True,
        PAYMENT_GATEWAY="sandbox",
        GATEWAYS={"sandbox", "manual"},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    )
    with blocker.unblock(), transaction.atomic():
        with as_in_the_demo:
            call_command("seed_demo", people=people, competitions=competitions, seed=1, json=True)
        AccessAttempt.objects.create(username="nobody", ip_address="192.0.2.1", failures_since_start=5)
        AccessLog.objects.create(username=ADMIN_EMAIL, ip_address="192.0.2.1")
        _tell_somebody()
        yield
        transaction.set_rollback(True)


def _tell_somebody() -> None:
    """By e-mail, with a device and a phone, and an address that is closed."""
    person, at = User.objects.get(email=WHO["W"]), datetime.now(UTC)
    told = Notification.objects.create(user=person, event=Event.STARTED, dedupe_key="1", listed=True, created_at=at)
    Delivery.objects.create(notification=told, channel=Channel.EMAIL, due_at=at)
    Device.objects.create(user=person, token="token", platform="web", added_at=at, seen_at=at)
    Phone.objects.create(user=person, number="+15550100", code_sent_at=at)
    suppress_address(channel=Channel.EMAIL, address="gone@example.org", reason="It came back.", now=at)


@pytest.fixture(autouse=True)
def as_on_a_desk(settings: Any) -> None:
    settings.PAYMENT_GATEWAY, settings.GATEWAYS = "sandbox", {"sandbox", "manual"}


def seated(letter: str) -> Client:
    if (email := WHO[letter]) is None:
        return Client(raise_request_exception=False)
    return open_panel(User.objects.get(email=email), raise_request_exception=False)


def opened(client: Client, address: str) -> Answer:
    reset_queries()  # the log ends at some thousands; beyond them this page's would be missing
    with CaptureQueriesContext(connection) as asked:
        status = client.get(address).status_code
    return Answer(status, [query["sql"] for query in asked.captured_queries])


# --- The map ---


def patterns(under: Sequence[URLPattern | URLResolver] | None = None) -> Iterator[URLPattern]:
    for found in admin.site.get_urls() if under is None else under:
        if isinstance(found, URLResolver):
            yield from patterns(found.url_patterns)
        else:
            yield found


def names() -> set[str]:
    """Of all addresses, but for those without one: they only lead to one that has."""
    return {found.name for found in patterns() if found.name}


def table_of(name: str) -> tuple[str, str] | None:
    """``competitions_seat_changelist`` → ``competitions_seat``, ``changelist``; None for a page that is no table's."""
    table, _, page = name.rpartition("_")
    return (table, page) if table in TABLES and page in PAGES_OF_A_TABLE else None


def may_open(name: str) -> tuple[str, int]:
    """Who, and what the others are told."""
    if name in PAGES:
        return PAGES[name]
    if name in STEPS:
        return STEPS[name], 403
    found = table_of(name)
    assert found is not None, f"Nobody has said who may open {name}."
    table, page = found
    if page == "change" and table in HAS_NO_PAGE_OF_A_ROW:
        return "S", 403
    who = {"add": ADDED_TO.get(table, ""), "delete": DELETED_FROM.get(table, "")}
    does_not_exist = page == "history" and "O" in TABLES[table]  # of a table where some see some rows
    return who.get(page, TABLES[table]), 302 if does_not_exist else 403


def models() -> dict[str, Any]:
    return {f"{m._meta.app_label}_{m._meta.model_name}": ours for m, ours in admin.site._registry.items()}


def asked_by(letter: str) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = User.objects.get(email=WHO[letter])
    return request


def row_for(letter: str, table: str) -> Any:
    """The key of a row that this member of staff may see, or of any where they may see none."""
    ours = models()[table]
    theirs = ours.get_queryset(asked_by(letter)).order_by().first() if letter in TABLES[table] else None
    return (theirs or ours.get_queryset(asked_by("S")).order_by().first()).pk


def pages_for(letter: str) -> list[Page]:
    return [page for name in sorted(names() - NOT_ASKED.keys()) for page in addresses(name, letter)]


def addresses(name: str, letter: str) -> Iterator[Page]:
    if name in STEPS:
        table = name.removesuffix("_step")
        for step in models()[table].steps:
            yield Page(name, reverse(f"admin:{name}", args=[row_for(letter, table), step.name]))
    elif (found := table_of(name)) is not None:
        table, page = found
        key = [] if page in ("changelist", "add", "csv") else [row_for(letter, table)]
        yield Page(name, reverse(f"admin:{name}", args=key))
    else:
        yield Page(name, reverse(f"admin:{name}", kwargs=of_competition(name, letter)))


def of_competition(name: str, letter: str) -> dict[str, Any]:
    """What the address of a page that is no table's is made of."""
    mine = row_for(letter if letter in STAFF else "S", "competitions_competition")
    known: dict[str, dict[str, Any]] = {
        "app_list": {"app_label": "competitions"},
        "audit": {"app": "competitions", "model": "competition", "key": str(mine)},
        "competitions_competition_board": {"competition_id": mine},
        "competitions_competition_step": {"competition_id": mine, "step": "cancel"},
        "reset_codes": {"person_id": User.objects.get(email=NEWCOMER.email).pk},
        "new_competition_step": {"step": "what"},
        "what_if": {"competition_id": mine},
        "insights_csv": {"chart": "scores"},
        "competition_insights": {"competition_id": mine},
        "competition_insights_csv": {"competition_id": mine, "chart": "scores"},
    }
    return known.get(name, {})


# --- What is found there ---


def test_nobody_adds_a_page_without_saying_who_may_open_it() -> None:
    declared = STEPS.keys() | PAGES.keys() | NOT_ASKED.keys()
    assert {name for name in names() - declared if table_of(name) is None} == set()
    assert models().keys() == TABLES.keys()


def wrong_pages(letter: str, pages: Sequence[Page]) -> dict[str, str]:
    """Those that are not as the table says, and how."""
    client, wrong = seated(letter), {}
    for page in pages:
        who, refused = may_open(page.name)
        expected = 302 if letter not in STAFF else 200 if letter in who else refused
        if page.name == "jsi18n":
            expected = 200 if letter in STAFF else 302
        if page.name in ("competitions_competition_step", "what_if") and letter == "N":
            expected = 404  # who sees no competition is not told that there is one
        if page.name in LEADS_ON and expected == 200:
            expected = 302
        answer = opened(client, page.address)
        if answer.status != expected or len(answer.queries) > MOST_QUERIES:
            wrong[page.address] = f"{answer.status} instead of {expected}, {len(answer.queries)} queries"
    return wrong


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("letter", WHO)
def test_every_page_opens_to_whom_it_should_and_to_nobody_else(world: None, letter: str) -> None:
    assert wrong_pages(letter, pages_for(letter if letter in STAFF else "S")) == {}


@pytest.mark.slow
@pytest.mark.django_db
def test_a_page_that_opens_to_somebody_else_is_noticed(world: None, monkeypatch: pytest.MonkeyPatch) -> None:
    [page] = addresses("accounts_phone_changelist", "T")
    assert wrong_pages("T", [page]) == {}
    monkeypatch.setattr(type(models()["accounts_phone"]), "has_view_permission", lambda *_: True)
    assert wrong_pages("T", [page])[page.address].startswith("200 instead of 403")


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("letter", WHO)
def test_who_may_not_open_a_page_changes_nothing_by_sending_to_it(world: None, letter: str) -> None:
    client, wrong = seated(letter), {}
    for page in pages_for(letter if letter in STAFF else "S"):
        who, refused = may_open(page.name)
        if letter in who:
            continue
        with taken_back():
            before = rows_written()
            status, wrote = client.post(page.address).status_code, rows_written() - before
        if status not in ((refused, 403, 404, 405) if letter in STAFF else (302,)) or wrote:
            wrong[page.address] = f"{status}, {wrote} rows written"
    assert wrong == {}


@pytest.mark.slow
@pytest.mark.django_db
def test_lists_are_searched_and_filtered(world: None) -> None:
    client, wrong = seated("S"), {}
    for table in TABLES:
        for query in ("?q=walker", *filters(client, table)):
            answer = opened(client, reverse(f"admin:{table}_changelist") + query)
            if answer.status != 200 or len(answer.queries) > MOST_QUERIES:
                wrong[table + query] = f"{answer.status}, {len(answer.queries)} queries"
    assert wrong == {}


def filters(client: Client, table: str) -> list[str]:
    """A choice of every filter of a list, all at once, as somebody who narrows it down."""
    shown = client.get(reverse(f"admin:{table}_changelist")).context["cl"]
    chosen = [list(spec.choices(shown))[-1]["query_string"] for spec in shown.filter_specs if hasattr(spec, "choices")]
    return ["?" + "&".join(query.removeprefix("?") for query in chosen)] if chosen else []


@pytest.mark.slow
@pytest.mark.django_db
def test_an_organiser_is_told_that_others_competitions_do_not_exist(world: None) -> None:
    client = seated("O")
    theirs = Competition.objects.exclude(owner__email=ORGANISER.email).order_by("start_at")
    for table in (name for name, who in TABLES.items() if "O" in who and name.startswith(("comp", "lead"))):
        ours = models()[table]
        owner = f"{ours.competition}__owner__email" if ours.competition else "owner__email"
        row = ours.model._default_manager.exclude(**{owner: ORGANISER.email}).order_by().first()
        if row is not None:
            assert opened(client, reverse(f"admin:{table}_change", args=[row.pk])).status == 302, table
    assert opened(client, reverse("admin:audit", args=["competitions", "competition", theirs[0].pk])).status == 404


@pytest.mark.slow
@pytest.mark.django_db
def test_addresses_of_nothing_are_no_errors(world: None) -> None:
    client = seated("S")
    statuses = {
        table: opened(client, reverse(f"admin:{table}_change", args=[nothing])).status
        for table in TABLES
        for nothing in (uuid4(), "nonsense", 2**70, "%00")
        if table not in HAS_NO_PAGE_OF_A_ROW
    }
    assert set(statuses.values()) <= {302, 404}, statuses
