"""Two organisers, and every table of the panel: what is the one's does not exist for the other."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.sites import site
from django.db.models import Model
from django.test import Client

from accounts.models import User
from competitions.admin.own import OfCompetition
from competitions.models import Competition
from tests.conftest import open_panel
from tests.panel.filling import fill, tables

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # every table of the panel, many times

MINE, THEIRS = (UUID(f"00000000-0000-4000-8000-00000000000{i}") for i in (1, 2))
OWN = {
    "competitions.Competition",
    "competitions.Participant",
    "competitions.Seat",
    "competitions.StatusMove",
    "competitions.RulesVersion",
    "leaderboards.Board",
    "leaderboards.Standing",
    "leaderboards.FinalStandings",
    "leaderboards.Correction",
}
"""The tables of an organiser. All others are closed to them."""


@pytest.fixture
def organiser(make_staff: Callable[..., User]) -> User:
    """Of the first competition; everything of the second is somebody else's. Row i of each table belongs to competition
    i, whose one person is person i."""
    member = make_staff("organiser")
    fill(2, *tables())
    Competition.objects.update(
        timezone="UTC",
        kind="custom",
        metric="steps",
        visibility="open",
        currency="USD",
        tie_rule="shared",
        score_source="either",
    )
    Competition.objects.filter(id=MINE).update(owner=member, name="Lake walk")
    Competition.objects.filter(id=THEIRS).update(name="Hidden hill", owner=THEIRS)
    User.objects.filter(id=MINE).update(name="Ada Near")
    User.objects.filter(id=THEIRS).update(name="Ben Hidden")
    return member


@pytest.fixture
def desk(organiser: User) -> Client:
    return open_panel(organiser)


def path_of(model: type[Model]) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def keys(model: type[Model]) -> tuple[Any, Any]:
    """Of what is theirs to see, and of the other's."""
    way = "" if model is Competition else "competition_id"
    return tuple(model._default_manager.get(**{way or "pk": owner}).pk for owner in (MINE, THEIRS))


def of_competitions() -> list[type[Model]]:
    return [model for model, page in site._registry.items() if isinstance(page, OfCompetition)]


def test_an_organiser_has_the_tables_of_competitions_and_no_other(desk: Client) -> None:
    opened = {model._meta.label for model in site._registry if desk.get(path_of(model)).status_code == 200}
    assert opened == OWN == {model._meta.label for model in of_competitions()}
    for model in site._registry:
        if model._meta.label not in OWN:
            assert desk.get(f"{path_of(model)}csv/").status_code == 403


@pytest.mark.parametrize(
    "question", ["", "?q=walk", "?q=hidden", "?q=ada", f"?q={THEIRS}", f"?competition__id__exact={THEIRS}", "?o=1.2.3"]
)
def test_by_list_search_filter_and_csv_only_what_is_theirs(desk: Client, question: str) -> None:
    for model in of_competitions():
        mine, theirs = keys(model)
        page = desk.get(f"{path_of(model)}{question}", follow=True)
        assert page.status_code == 200
        shown = {row.pk for row in page.context["cl"].result_list}
        assert theirs not in shown
        assert (mine in shown) or question not in ("", "?o=1.2.3")
        assert "Hidden hill" not in page.content.decode()
        answer: Any = desk.get(f"{path_of(model)}csv/{question}")
        sheet = b"".join(answer.streaming_content).decode() if answer.streaming else ""
        assert "Hidden" not in sheet
        assert ("Lake walk" in sheet) or question != ""


def test_by_address_what_is_somebody_elses_does_not_exist(desk: Client) -> None:
    for model in of_competitions():
        mine, theirs = keys(model)
        assert desk.get(f"{path_of(model)}{mine}/change/").status_code == 200
        for way in ("change", "delete", "history"):
            answer = desk.get(f"{path_of(model)}{theirs}/{way}/")
            assert answer.status_code in (302, 403, 404), (model, way)
            assert b"Hidden" not in answer.content


def test_a_correction_by_an_organiser_needs_more_than_the_role(desk: Client) -> None:
    assert desk.get("/admin/leaderboards/correction/add/").status_code == 403


def test_flags_are_not_opened_by_organisers_and_tokens_by_nobody(desk: Client, staff: User) -> None:
    """Owners do not see flags over the API either: how a check works, and whose account has the same samples, is for
    those who decide."""
    assert desk.get("/admin/fitness/flag/").status_code == 403
    registered = {model.__name__ for model in site._registry}
    assert registered.isdisjoint({"OutstandingToken", "BlacklistedToken", "User_groups"})
    desk = open_panel(staff)
    assert desk.get("/admin/token_blacklist/outstandingtoken/").status_code == 404
