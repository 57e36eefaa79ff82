"""Lists as spreadsheets."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.sites import site
from django.test import AsyncClient, Client
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import CapturingLogger

from accounts.models import User
from config.core import csv as spreadsheets
from config.core.csv import chunks, written_lines
from config.core.threads import in_thread
from leaderboards.models import Standing
from tests.conftest import MakeCompetition, MakePerson, open_panel
from tests.panel.filling import fill, tables

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(staff: User) -> Client:
    return open_panel(staff)


def rows_of(answer: Any) -> list[list[str]]:
    content = b"".join(answer.streaming_content).decode()
    assert content.startswith("\ufeff"), "or a spreadsheet takes UTF-8 for something else"
    return list(csv.reader(io.StringIO(content.removeprefix("\ufeff"))))


def test_it_has_the_columns_and_all_rows_of_the_list(
    desk: Client, make_competition: MakeCompetition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.core.admin.MOST_ROWS", 2)
    for place in range(5):
        make_competition(name=f"Walk {place}", starts=-place - 1, prize_pool_minor=123_450)
    answer = desk.get("/admin/competitions/competition/csv/")
    head, *rows = rows_of(answer)
    assert head[:2] == ["Name", "Status"]
    assert [row[0] for row in rows] == ["Walk 0", "Walk 1", "Walk 2", "Walk 3", "Walk 4"], "in the list's order"
    place = head.index("Prize pool")
    assert rows[0][place : place + 2] == ["1234.50", "USD"]
    assert head[place + 1] == "Currency"
    assert datetime.fromisoformat(rows[0][head.index("Starts")]).tzinfo is not None
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="competitions-{datetime.now(UTC):%Y-%m-%d}.csv"'


def test_it_keeps_the_lists_filters_and_search(desk: Client, make_competition: MakeCompetition) -> None:
    make_competition(name="Lake walk")
    make_competition(name="Hill walk", published=False)
    make_competition(name="Lake run", published=False)

    def names(question: str) -> list[str]:
        return [row[0] for row in rows_of(desk.get(f"/admin/competitions/competition/csv/?{question}"))[1:]]

    assert sorted(names("q=lake")) == ["Lake run", "Lake walk"]
    assert names("q=lake&status__exact=draft") == ["Lake run"]
    page = desk.get("/admin/competitions/competition/?q=lake&status__exact=draft").content.decode()
    assert "/admin/competitions/competition/csv/?q=lake&amp;status__exact=draft" in page


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "=cmd|' /C calc'!A0"])
def test_a_name_is_never_a_formula(name: str) -> None:
    (line,) = csv.reader(io.StringIO(written_lines([[name, -5, 1.5, None, True]]), newline=""))
    assert line == [f"'{name}", "-5", "1.5", "", "yes"]


@pytest.mark.slow
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_whatever_the_text_it_stays_one_cell_and_one_text(text: str) -> None:
    ((cell,),) = csv.reader(io.StringIO(written_lines([[text]]), newline=""))
    assert cell.removeprefix("'") == text.removeprefix("'")
    assert cell.strip()[:1] not in {"=", "+", "-", "@"}
    assert written_lines([[text]]).startswith('"'), "quoted, so that no other separator splits it"


@pytest.mark.parametrize("order", [["-score", "pk"], ["score", "-pk"], ["-pk"], ["reached_at", "-score", "pk"]])
def test_chunks_put_together_are_the_whole_in_order(order: list[str], db: None) -> None:
    fill(50, Standing, score="i % 7")
    rows = Standing.objects.order_by(*order)
    found = [row.pk for chunk in chunks(rows, size=8) for row in chunk]
    assert found == list(rows.values_list("pk", flat=True))


@pytest.mark.slow
def test_every_list_has_one_and_no_secret_is_in_it(desk: Client) -> None:
    fill(3, *tables(), digest="'se' || 'cret' || i", tokens="''", password="'se' || 'cret'")
    for model in site._registry:
        answer: Any = desk.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/csv/")
        if answer.status_code == 403:
            assert model.__name__ == "SandboxFault", "there is no sandbox here"
            continue
        head, *rows = rows_of(answer)
        assert all(len(row) == len(head) for row in rows), model
        secret = [cell for row in rows for cell in row if "secret" in cell]
        assert not secret or model.__name__ in ("RulesVersion", "FinalStandings"), "whose digests are public"


def test_who_may_not_look_takes_none_and_who_takes_one_is_kept(
    make_staff: Callable[..., User], make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = CapturingLogger()
    monkeypatch.setattr("config.core.admin.log", kept)
    support, reviewer = make_staff("support"), make_staff("reviewer")
    make_person("Zoe Private")
    assert open_panel(reviewer).get("/admin/accounts/user/csv/").status_code == 403
    client = open_panel(support)
    rows_of(client.get("/admin/accounts/user/csv/?q=zoe"))
    [done] = [call.kwargs for call in kept.calls if call.args == ("csv_exported",)]
    assert (done["by"], done["table"], done["rows"], done["asked"]) == (str(support.pk), "accounts.User", 1, ["q"])
    assert "zoe" not in str(kept.calls).lower(), "whom somebody looked for is not for the log"
    assert client.get("/admin/accounts/user/csv/?nothing=1").status_code == 302


@pytest.mark.django_db(transaction=True)
async def test_under_asgi_it_comes_in_pieces_from_threads(
    staff: User, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheets.chunks, "__defaults__", (2,))
    await in_thread(lambda: [make_person(f"Person {place}") for place in range(5)])()
    client = AsyncClient()
    client.cookies = (await in_thread(open_panel)(staff)).cookies
    answer: Any = await client.get("/admin/accounts/user/csv/")
    pieces = [piece async for piece in answer]
    assert len(pieces) == 4, "the head, and six people two by two"
    assert b"".join(pieces).decode().count("Person") == 5
