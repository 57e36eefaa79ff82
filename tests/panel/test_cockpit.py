"""A competition's page in the panel: what it says in each phase, to whom, and what can be done from it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from competitions.models import Competition, StatusMove
from competitions.policy import Policy, policy_to_store
from competitions.services.enrolment import enrol_people
from competitions.services.lifecycle import cancel_competition, change_competition, move_statuses
from competitions.services.seats import reserve_seat
from fitness.rules import Reading, Source
from leaderboards.models import Board
from leaderboards.scoring import Totals
from leaderboards.services import report_totals
from prizes.actors import Actor
from prizes.models import Payment, Transfer
from prizes.services.distribution import approve_distribution, award_prizes, distribute_prizes
from prizes.services.fees import mark_payment_paid, open_checkout, refund_competition
from prizes.services.funding import confirm_funding
from tests.conftest import MakeCompetition, MakePerson, open_panel
from tests.fitness.walking import measured, sync
from tests.panel.desk import hidden_fields, messages_of, text_of
from tests.panel.door import let_pass

pytestmark = pytest.mark.django_db
MakeStaff = Callable[..., User]


@pytest.fixture
def organiser(make_staff: MakeStaff) -> User:
    return make_staff("organiser", name="Orla")


def path_of(competition: Competition, what: str = "change/") -> str:
    return f"/admin/competitions/competition/{competition.pk}/{what}"


def cockpit(desk: Client, competition: Competition) -> str:
    return text_of(desk.get(path_of(competition)))


def move_of(text: str) -> str:
    return text.partition("The next move ")[2].partition(" Timeline ")[0]


def life_of(desk: Client, competition: Competition) -> list[str]:
    """The states by their tenses, as the timeline shows them."""
    page = desk.get(path_of(competition)).content.decode()
    return re.findall(r'<li class="(\w+ \w+)"', page[page.index('class="life"') :])


# --- Every phase ---


@pytest.mark.slow
def test_a_draft_waits_to_be_published_and_says_first_who_will_see_it(
    organiser: User, make_competition: MakeCompetition
) -> None:
    draft = make_competition(
        owner=organiser, published=False, starts=2, ends=9, visibility="private", prize_pool_minor=5_000
    )
    desk = open_panel(organiser)
    assert "once it is published it starts on" in move_of(cockpit(desk, draft))
    assert life_of(desk, draft) == ["now draft", "ahead upcoming", "ahead active", "ahead ended", "ahead completed"]
    asked = desk.get(path_of(draft, "step/publish/"))
    said = text_of(asked)
    assert "whoever has the join code sees it and may join, and nobody else" in said
    assert "prizes of 50.00 USD, not all of it confirmed yet" in said
    draft.refresh_from_db()
    assert draft.published_at is None
    unread = desk.post(path_of(draft, "step/publish/"), {"reason": "Ready.", "seen": "something else"})
    assert "Something has changed since you opened this page" in text_of(unread)
    form = {**hidden_fields(asked), "reason": "Ready."}
    assert "It is published." in messages_of(desk.post(path_of(draft, "step/publish/"), form, follow=True))
    again = desk.post(path_of(draft, "step/publish/"), form, follow=True)
    assert "Nothing has changed. It is published already." in messages_of(again)
    assert StatusMove.objects.filter(competition=draft, to_status="upcoming", moved_by=organiser).count() == 1
    assert life_of(desk, draft)[:2] == ["past draft", "now upcoming"]
    assert "by Orla" in cockpit(desk, draft)


def test_a_running_one_shows_its_board_its_people_its_rules_and_who_changed_them(
    organiser: User, make_competition: MakeCompetition, make_person: MakePerson, join: Any, now: datetime
) -> None:
    running = make_competition(owner=organiser)
    ada, ben = make_person("Ada"), make_person("Ben")
    join(running, ada, ben)
    report_totals(competition=running, user_id=ben.id, reported={"steps": 4_321}, now=now)
    capped = policy_to_store(Policy(daily_cap={"steps": 9_000}))
    change_competition(
        competition_id=running.id,
        merge=lambda current: ({"stored_policy": capped}, None),
        by=organiser,
        reason="Too hot for more.",
        now=now,
    )
    desk = open_panel(organiser)
    said = cockpit(desk, running)
    assert "It ends by itself on" in move_of(said)
    assert "2 people take part." in move_of(said)
    assert "1 Ben 4,321 2 Ada 0" in said
    assert "Version 2." in said
    assert "“Too hot for more.”" in said
    assert "No money is at stake." in said
    assert life_of(desk, running) == ["now active", "ahead ended", "ahead completed"]


def test_the_board_alone_comes_with_its_version_and_only_when_it_is_another(
    organiser: User, make_competition: MakeCompetition, other: User, join: Any, now: datetime
) -> None:
    running = make_competition(owner=organiser)
    join(running, other)
    desk = open_panel(organiser)
    first = desk.get(path_of(running, "board/"))
    assert "1 Ben 0" in text_of(first)
    known = {"If-None-Match": first["ETag"]}
    assert desk.get(path_of(running, "board/"), headers=known).status_code == 304
    report_totals(competition=running, user_id=other.id, reported={"steps": 70}, now=now)
    second = desk.get(path_of(running, "board/"), headers=known)
    assert "1 Ben 70" in text_of(second)
    assert str(Board.objects.get(competition=running).version) in second["ETag"]


@pytest.mark.slow
def test_after_the_end_it_says_when_the_standings_are_frozen_and_what_is_left(
    organiser: User, make_competition: MakeCompetition, now: datetime
) -> None:
    ended = make_competition(owner=organiser, starts=-5, ends=-1, grace_hours=96, created_at=now - timedelta(days=9))
    over = make_competition(owner=organiser, starts=-5, ends=-3, grace_hours=0, created_at=now - timedelta(days=9))
    desk = open_panel(organiser)
    assert "frozen by themselves on" in move_of(cockpit(desk, ended))
    assert "Its standings are frozen in a moment" in move_of(cockpit(desk, over))
    move_statuses(now=now)
    assert "Nothing is left to do." in move_of(cockpit(desk, over))
    assert life_of(desk, ended)[-2:] == ["now ended", "ahead completed"]
    assert life_of(desk, over)[-3:] == ["past active", "past ended", "now completed"]


@pytest.mark.slow
def test_prizes_are_a_treasurers_move_until_everything_is_paid(
    make_staff: MakeStaff, organiser: User, make_competition: MakeCompetition, settings: Any, now: datetime
) -> None:
    settings.PAYMENT_GATEWAY, settings.GATEWAYS = "manual", {"manual"}
    settings.APPROVAL_OVER = {"*": Decimal(1)}
    tess, theo = make_staff("treasurer", name="Tess"), make_staff("treasurer", name="Theo")
    start = now - timedelta(days=9)
    over = make_competition(
        owner=organiser, starts=-5, ends=-3, grace_hours=0, created_at=start, prize_pool_minor=500_00
    )
    winner = make_staff("reviewer", name="Win")
    enrol_people(competition=over, user_ids=[winner.id], now=start)
    sync(winner, Reading(winner.id, Source.GARMIN, over.starts_on, Totals(steps=9)), now=over.start_at)
    move_statuses(now=now)
    treasurer, owner, judge = open_panel(tess), open_panel(organiser), open_panel(winner)
    link = f"/admin/prizes/settlement/{over.pk}/change/"
    assert "500.00 USD of the promised pool is not confirmed yet" in move_of(cockpit(treasurer, over))
    assert link in treasurer.get(path_of(over)).content.decode()
    assert "Still missing 500.00 USD" in cockpit(owner, over)
    assert link not in owner.get(path_of(over)).content.decode()
    assert "Still missing" not in cockpit(judge, over)
    confirm_funding(
        competition_id=over.id, amount_minor=500_00, reference="1", actor=Actor(tess), reason="Bank.", now=now
    )
    assert "a treasurer calculates the prizes" in move_of(cockpit(treasurer, over))
    award_prizes(competition_id=over.id, actor=Actor(tess), now=now)
    assert "Distribute" in move_of(cockpit(treasurer, over))
    distribute_prizes(competition_id=over.id, actor=Actor(tess), now=now)
    assert "wait for another treasurer's approval" in move_of(cockpit(owner, over))
    approve_distribution(competition_id=over.id, actor=Actor(theo), now=now)
    assert "1 transfer is on the way" in move_of(cockpit(treasurer, over))
    Transfer.objects.update(state="failed")
    assert "1 transfer has failed" in move_of(cockpit(treasurer, over))
    Transfer.objects.update(state="paid", paid_at=now)
    assert "Everything is paid." in move_of(cockpit(treasurer, over))


@pytest.mark.slow
def test_cancelling_says_how_much_goes_back_and_does_it_once(
    organiser: User, make_competition: MakeCompetition, make_person: MakePerson, settings: Any, now: datetime
) -> None:
    settings.PAYMENT_GATEWAY, settings.GATEWAYS = "manual", {"manual"}
    paid = make_competition(owner=organiser, starts=2, ends=5, entry_fee_minor=12_50)
    for name in ("Ada", "Ben", "Cy"):
        seat = reserve_seat(competition=paid, user_id=make_person(name).id, join_code=None, now=now)
        open_checkout(seat=seat, now=now)
    for payment in Payment.objects.order_by("created_at")[:2]:
        mark_payment_paid(payment_id=payment.id, reference="cash", actor=Actor(organiser), reason="Here.", now=now)
    desk = open_panel(organiser)
    assert "Fees paid 25.00 USD" in cockpit(desk, paid)
    asked = desk.get(path_of(paid, "step/cancel/"))
    said = text_of(asked)
    assert "2 people have paid the entry fee: 25.00 USD goes back" in said
    assert "1 seat that somebody is paying for" in said
    assert "It cannot be undone." in said
    let_pass(desk, "password_at")
    for answer in (desk.get(path_of(paid, "step/cancel/")), desk.post(path_of(paid, "step/cancel/"), {"reason": "No"})):
        assert answer["Location"].startswith("/admin/sign-in/confirm/"), "money goes back"
    let_pass(desk, "password_at", minutes=-11)
    assert "No</textarea>" in desk.get(path_of(paid, "step/cancel/")).content.decode(), "what was written is kept"
    without = desk.post(path_of(paid, "step/cancel/"), hidden_fields(asked))
    assert "Nothing was done." in text_of(without)
    form = {**hidden_fields(asked), "reason": "Flooded."}
    assert "It is cancelled." in messages_of(desk.post(path_of(paid, "step/cancel/"), form, follow=True))
    assert "cancelled already" in messages_of(desk.post(path_of(paid, "step/cancel/"), form, follow=True))
    assert sorted(Transfer.objects.values_list("amount_minor", flat=True)) == [12_50, 12_50]
    assert "2 refunds are on the way" in move_of(cockpit(desk, paid))
    assert life_of(desk, paid) == ["past upcoming", "now cancelled"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pgh_context ->> 'reason' FROM competitions_competitionaudit WHERE status = 'cancelled'")
        assert ("Flooded.",) in cursor.fetchall()


# --- Every role ---


@pytest.mark.slow
def test_each_role_sees_what_is_its_own(
    make_staff: MakeStaff, organiser: User, make_competition: MakeCompetition, join: Any, person: User, now: datetime
) -> None:
    running = make_competition(owner=organiser, prize_pool_minor=7_700)
    join(running, person)
    at_eight = datetime.combine(now.date() - timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=8)
    sync(person, measured(at_eight, 10_000, 600), now=now)  # implausible, so it is flagged
    pages = {role: open_panel(make_staff(role)).get(path_of(running)) for role in ("reviewer", "treasurer", "support")}
    pages["organiser"] = open_panel(organiser).get(path_of(running))
    markers = {
        "money": "Promised pool",
        "settlement": "/admin/prizes/settlement/",
        "flags": f"/admin/fitness/flag/?competition__id__exact={running.pk}",
        "what if": f'href="/admin/what-if/{running.pk}/"',
        "cancel": "step/cancel/",
    }
    seen = {}
    for role, page in pages.items():
        main = page.content.decode().partition('id="content-main"')[2]
        assert "1 flag waits" in " ".join(main.split())
        seen[role] = {what for what, marker in markers.items() if marker in main}
    assert seen == {
        "reviewer": {"flags"},
        "treasurer": {"money", "settlement", "what if"},
        "support": {"money", "settlement", "flags"},
        "organiser": {"money", "what if", "cancel"},
    }


def test_what_is_somebody_elses_is_not_there(
    make_staff: MakeStaff, organiser: User, make_competition: MakeCompetition
) -> None:
    theirs = make_competition(owner=make_staff("organiser", name="Another"))
    desk = open_panel(organiser)
    answer = desk.get(path_of(theirs), follow=True)
    assert "Perhaps it was deleted?" in messages_of(answer)
    assert desk.get(path_of(theirs, "board/")).status_code == 404
    assert desk.get(path_of(theirs, "step/cancel/")).status_code == 404
    assert desk.post(path_of(theirs, "step/cancel/"), {"reason": "Mine now."}).status_code == 404
    assert desk.get("/admin/what-if/" + str(theirs.pk) + "/").status_code == 404
    support = open_panel(make_staff("support"))
    assert support.get(path_of(theirs, "step/cancel/")).status_code == 403
    assert open_panel(organiser).post(path_of(theirs)).status_code == 403
    assert Competition.objects.get(pk=theirs.pk).cancelled_at is None


@pytest.mark.slow
def test_it_takes_as_many_statements_for_300_people_as_for_3(
    staff: User, make_competition: MakeCompetition, make_person: MakePerson, now: datetime
) -> None:
    def statements(people: int) -> int:
        made = make_competition(prize_pool_minor=100)
        enrol_people(competition=made, user_ids=[make_person(f"P{n}").id for n in range(people)], now=now)
        desk = open_panel(staff)
        desk.get(path_of(made))
        with CaptureQueriesContext(
            connection,
        ) as asked:
            desk.get(path_of(made))
        return len(asked)

    few = statements(3)
    assert few == statements(300)
    assert few < 25


def test_a_cancelled_one_without_money_is_finished(
    staff: User, make_competition: MakeCompetition, now: datetime
) -> None:
    made = make_competition()
    cancel_competition(competition_id=made.id, by=staff, now=now)
    assert move_of(cockpit(open_panel(staff), made)) == "It was cancelled. Nothing is left to do."


@pytest.mark.slow
def test_a_cancelled_one_waits_until_its_pool_is_given_back(
    organiser: User, make_competition: MakeCompetition, staff: User, now: datetime
) -> None:
    made = make_competition(owner=organiser, prize_pool_minor=50_00)
    actor = Actor(staff)
    confirm_funding(competition_id=made.id, amount_minor=50_00, reference="50", actor=actor, reason="Here.", now=now)
    assert "button primary" not in open_panel(organiser).get(path_of(made)).content.decode()  # it ends by itself
    cancel_competition(competition_id=made.id, by=organiser, now=now)
    assert "The pool still holds 50.00 USD; a treasurer gives that back." in move_of(
        cockpit(open_panel(organiser), made)
    )
    refund_competition(competition_id=made.id, actor=actor, reason="Flooded.", now=now)
    assert "No refund waits for anything." in move_of(cockpit(open_panel(organiser), made))
