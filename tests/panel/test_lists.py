"""What a list costs: rows looked at by PostgreSQL, however many there are."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.contrib.admin.sites import site
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.exceptions import SuspiciousOperation
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from accounts.models import Scope, User
from accounts.services.keys import create_service_key
from config.core import admin as core_admin
from config.core import search
from config.core.admin import Page
from config.panel import tables as panel_tables
from prizes.admin import settlement
from tests.conftest import MakeCompetition, MakePerson, open_panel
from tests.panel.filling import fill, fill_jobs, tables

pytestmark = pytest.mark.django_db

ROWS = 3_000
BOUND = 100
"""Instead of ten thousand, so that three thousand rows are a million."""
LOOKED_AT = 1_000
"""At most, of a table of ROWS: what the bound lets through with what is joined to it."""


@pytest.fixture(autouse=True)
def sandbox_beside_the_gateway(settings: Any) -> None:
    settings.GATEWAYS = {*settings.GATEWAYS, "sandbox"}


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, name, value in (
        (core_admin, "MOST_ROWS", BOUND),
        (settlement, "MOST_ROWS", BOUND),
        (search, "MOST_FOUND", 5),
        (panel_tables, "MOST_JOBS", BOUND),
    ):
        monkeypatch.setattr(place, name, value)
    fill(ROWS, *tables())
    fill_jobs(ROWS)
    with connection.cursor() as cursor:
        # Of tables so small PostgreSQL would rather read everything; of large ones it would not.
        cursor.execute("SET LOCAL enable_seqscan = off")


def asked_by(member: User, question: str = "") -> Any:
    request = RequestFactory().get("/", parse_qs(question, keep_blank_values=True))
    request.user = member
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]  # where Django's middleware puts it
    return request


def ask(page: Any, member: User, question: str) -> Any:
    listed = page.get_changelist_instance(asked_by(member, question))
    list(listed.result_list)
    return listed


def rows_looked_at(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}")
        (plan,) = cursor.fetchone()
    return _sum((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"])


def _sum(node: Any) -> int:
    """Of every scan, what it gave and what it threw away."""
    scans = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    reads = "Scan" in node["Node Type"] and node["Node Type"] != "Bitmap Index Scan"  # whose rows are counted above it
    own = scans * node["Actual Loops"] if reads else 0
    return round(own) + sum(_sum(child) for child in node.get("Plans", ()))


def questions(page: Any, listed: Any) -> Iterator[str]:
    """Everything that the list itself offers."""
    yield ""
    yield "p=2"
    for place, item in enumerate(listed.list_display):
        if listed.get_ordering_field(item):
            yield from (f"o={place}", f"o=-{place}")
    for spec in listed.filter_specs:
        yield from (choice["query_string"].removeprefix("?") for choice in spec.choices(listed))
    if page.search_fields:
        yield from ("q=number", "q=number7", "q=number7 zzz", "q=00000000-0000-4000-8000-000000000007", "q=key")
    for filtered in page.found_filters:
        yield f"q=number7&{filtered if isinstance(filtered, str) else filtered[0] + '__isempty'}=1"


def costs(page: Any, member: User) -> dict[str, int]:
    found: dict[str, int] = {}
    for question in dict.fromkeys(questions(page, ask(page, member, ""))):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            ask(page, member, question)
        statements = [query["sql"] for query in asked if query["sql"].startswith("SELECT")]
        found[question] = max(rows_looked_at(statement) for statement in statements)
    return found


@pytest.mark.slow
def test_no_list_looks_at_more_rows_than_its_bound_whatever_it_is_asked(many: None, staff: User) -> None:
    """Counting, the first and a deep page, every order, every filter, every search, of every table."""
    dear: dict[tuple[str, str], int] = {}
    for model, page in site._registry.items():
        if model.__name__ not in {"Group", "SandboxFault", "ServiceKey"}:  # made one by one, by people
            assert isinstance(page, Page), f"{model.__name__} is no page of the panel's"
            dear |= {(model.__name__, q): cost for q, cost in costs(page, staff).items() if cost > LOOKED_AT}
    assert not dear, "\n".join(f"{asked}: {cost}" for asked, cost in dear.items())


def test_a_list_is_counted_up_to_its_bound_and_says_so(many: None, staff: User) -> None:
    client = open_panel(staff)
    page = client.get("/admin/accounts/user/").content.decode()
    assert "the first 100 of more people" in page
    assert client.get("/admin/accounts/user/?p=3").status_code == 302


@pytest.mark.slow
def test_a_page_takes_as_many_statements_for_many_rows_as_for_few(staff: User) -> None:
    client = open_panel(staff)

    def counts() -> dict[str, int]:
        found = {}
        for model in site._registry:
            path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            with CaptureQueriesContext(connection) as asked:
                assert client.get(path).status_code == 200, path
            found[path] = len(asked)
        return found

    fill(3, *tables())
    few = counts()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model in tables():
            if model is not User:
                cursor.execute(f'DELETE FROM "{model._meta.db_table}"')  # noqa: S608 - names of our own tables
        cursor.execute("DELETE FROM accounts_user WHERE name LIKE 'Person%'")
        cursor.execute("SET LOCAL session_replication_role = origin")
    fill(40, *tables())
    assert counts() == few


def test_an_address_sorts_and_filters_by_nothing_that_the_list_does_not_offer(many: None, staff: User) -> None:
    people: Any = site._registry[User]
    by_email, unasked = (ask(people, staff, question).queryset.query.order_by for question in ("o=1", ""))
    assert set(by_email) == set(unasked), "no index serves it"
    for guess in ("password__startswith=a", "bio__contains=a", "email=a", "groups__name=a", "is_superuser=1"):
        with pytest.raises(SuspiciousOperation):
            ask(people, staff, guess)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ada", {"Ada Lovelace", "Zed"}),
        ("LOV", {"Ada Lovelace"}),
        ("lovelace ad", {"Ada Lovelace"}),
        ("example.org", {"Ada Lovelace", "Zed", "Éva O'Néill", "田中 太郎"}),
        ("o'né", {"Éva O'Néill"}),
        ("éva", {"Éva O'Néill"}),
        ("田", {"田中 太郎"}),
        ("田中", {"田中 太郎"}),
        ("l", set()),
        ("velace", set()),
        ("& | ! :* ' \\ ( ) <->", set()),
        ("%", set()),
    ],
)
def test_people_are_found_by_the_beginnings_of_words(
    make_person: MakePerson, staff: User, text: str, found: set[str]
) -> None:
    staff.email = "nobody@nowhere.test"
    staff.save()
    make_person("Ada Lovelace", email="countess@example.org")
    make_person("Zed", email="ada.z+walks@example.org")
    make_person("Éva O'Néill", email="eva@example.org")
    make_person("田中 太郎", email="taro@example.org")
    people: Any = site._registry[User]
    shown = people.get_search_results(asked_by(staff), User.objects.all(), text)[0]
    assert {person.name for person in shown} == found


def test_a_search_goes_by_whose_or_which_and_by_a_whole_id(
    make_competition: MakeCompetition, make_person: MakePerson, join: Callable[..., None], staff: User
) -> None:
    ada, ben = make_person("Ada"), make_person("Ben")
    lake, hill = make_competition(name="Lake walk"), make_competition(name="Hill run")
    join(lake, ada, ben)
    join(hill, ben)
    page: Any = next(page for model, page in site._registry.items() if model.__name__ == "Participant")

    def found(text: str) -> set[tuple[str, str]]:
        rows = page.get_search_results(asked_by(staff), page.model.objects.all(), text)[0]
        return {(row.user.name, row.competition.name) for row in rows}

    assert found("ben") == {("Ben", "Lake walk"), ("Ben", "Hill run")}
    assert found("lake") == {("Ada", "Lake walk"), ("Ben", "Lake walk")}
    assert found(str(hill.id)) == found("hill") == {("Ben", "Hill run")}
    assert found(str(ada.id)) == {("Ada", "Lake walk")}


@pytest.mark.slow
def test_odd_questions_to_any_list_are_no_server_error(staff: User, make_competition: MakeCompetition) -> None:
    client = open_panel(staff)
    make_competition()
    for model in site._registry:
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        for query in ("q=%00", "q='\\%26|!:*", "p=x", "p=-1", "o=99.-.x", "nothing=1", "e=1", "_facets=1", "all=1"):
            assert client.get(f"{path}?{query}").status_code < 500, (path, query)
    for ticked in ("no uuid", "\x00", "1"):
        for path, action in (("accounts/servicekey", "revoke"), ("fitness/flag", "accept_flags")):
            form = {"action": action, "_selected_action": ticked, "select_across": "1"}
            assert client.post(f"/admin/{path}/", form).status_code < 500


def test_an_action_is_never_for_a_whole_list_unseen(staff: User) -> None:
    client = open_panel(staff)
    seen, unseen = (create_service_key(name=name, scopes=[Scope.ACTIVITY_WRITE])[0] for name in ("bus", "tram"))
    form = {"action": "revoke", "_selected_action": str(seen.id), "select_across": "1"}
    client.post("/admin/accounts/servicekey/", form)
    for key in (seen, unseen):
        key.refresh_from_db()
    assert (seen.revoked_at is None, unseen.revoked_at is None) == (False, True)


def test_competitions_are_not_cancelled_from_their_list(staff: User, make_competition: MakeCompetition) -> None:
    """Without a word about what goes back to whom, and without a reason."""
    competition = make_competition()
    form = {"action": "cancel", "_selected_action": str(competition.id)}
    open_panel(staff).post("/admin/competitions/competition/", form)
    competition.refresh_from_db()
    assert competition.cancelled_at is None


def test_an_empty_list_says_what_would_be_in_it(staff: User) -> None:
    client = open_panel(staff)
    assert "Nobody has joined a competition yet." in client.get("/admin/competitions/participant/").content.decode()
    assert "No participants for “zoe”" in client.get("/admin/competitions/participant/?q=zoe").content.decode()
    for model, page in site._registry.items():
        assert getattr(page, "when_empty", ""), f"{model.__name__} says nothing"


def test_no_thread_finds_the_request_of_another(staff: User) -> None:
    """Unfold keeps it on the one object that is every thread's."""
    people: Any = site._registry[User]
    people.request = asked_by(staff)
    assert people.request.user == staff
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(hasattr, people, "request").result() is False
