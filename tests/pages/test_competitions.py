"""Finding a competition, joining and leaving it, and its board with oneself pinned."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from competitions.models import Competition, Participant, Seat
from competitions.services.enrolment import enrol_people
from leaderboards.tickets import open_ticket
from prizes.gateways.sandbox import pay_checkout
from prizes.models import Payment
from prizes.services.webhooks import receive_webhook
from tests.conftest import MakeCompetition, MakePerson
from tests.pages.conftest import text_of

pytestmark = pytest.mark.django_db


def page_of(competition: Competition, part: str = "") -> str:
    return f"/competitions/{competition.id}{part}"


# --- Finding ---


def test_ones_own_come_first_and_nobody_finds_what_they_may_not_see(
    ben: Client, other: User, make_competition: MakeCompetition, join: Any
) -> None:
    join(make_competition(name="Around the lake"), other)
    make_competition(name="Over the hills")
    make_competition(name="A draft", published=False)
    make_competition(name="For friends", visibility="private")
    make_competition(name="Next month", starts=20, ends=30)
    make_competition(name="Long ago", starts=-30, ends=-20, created_at=datetime(2020, 1, 1, tzinfo=UTC))
    page = text_of(ben.get("/competitions"))
    assert "Yours" in page
    assert page.index("Around the lake") < page.index("Others") < page.index("Over the hills")
    for hidden in ("A draft", "For friends", "Next month", "Long ago"):
        assert hidden not in page
    assert "Next month" in text_of(ben.get("/competitions?when=upcoming"))
    assert "Long ago" in text_of(ben.get("/competitions?when=over"))


def test_a_part_of_the_name_finds_it_and_pages_follow_each_other(
    ben: Client, make_competition: MakeCompetition
) -> None:
    for number in range(14):
        make_competition(name=f"Walk {number:02}")
    make_competition(name="Sprint")
    first = ben.get("/competitions?search=walk")
    assert text_of(first).count("Walk ") == 12
    assert "search=walk&amp;page=2" in first.content.decode()
    second = text_of(ben.get("/competitions?search=walk&page=2"))
    assert second.count("Walk ") == 2
    assert "Sprint" not in second
    assert "Nothing here has “<b>” in its name." in text_of(ben.get("/competitions?search=<b>")).replace("< b >", "<b>")
    for odd in ("page=0", "page=x", "page=99999999999", "when=never", "search=%00"):
        assert ben.get(f"/competitions?{odd}").status_code < 500


# --- Joining and leaving ---


def test_somebody_joins_after_a_question_and_leaves_after_another(
    ben: Client, other: User, make_competition: MakeCompetition
) -> None:
    competition = make_competition()
    assert "Taking part is free." in text_of(ben.get(page_of(competition)))
    assert "It costs nothing." in text_of(ben.get(page_of(competition, "/join")))
    assert not Participant.objects.exists()
    joined = ben.post(page_of(competition, "/join"), follow=True)
    assert "You take part in Lake walk." in text_of(joined)
    assert "1st with 0 steps" in text_of(joined)
    assert "You are taken off the board." in text_of(ben.get(page_of(competition, "/leave")))
    left = ben.post(page_of(competition, "/leave"), follow=True)
    assert "You have left Lake walk." in text_of(left)
    assert not Participant.objects.filter(user=other, left_at=None).exists()


def test_a_refusal_is_a_sentence_on_the_page(
    ben: Client, person: User, make_competition: MakeCompetition, join: Any
) -> None:
    full = make_competition(max_participants=1)
    join(full, person)
    assert "All places are taken" in text_of(ben.get(page_of(full)))
    answer = ben.post(page_of(full, "/join"))
    assert answer.status_code == 409
    assert "All places are taken." in text_of(answer)
    again = ben.post(page_of(full, "/leave"))
    assert (again.status_code, "You do not take part in this competition." in text_of(again)) == (409, True)


def test_a_private_competition_is_a_404_until_one_has_its_code(
    ben: Client, other: User, make_competition: MakeCompetition
) -> None:
    private = make_competition(visibility="private", name="For friends")
    for part in ("", "/join", "/leave", "/board", "/board/me", "/why"):
        answer = ben.get(page_of(private, part))
        assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert "For friends" not in answer.content.decode()
    assert ben.post(page_of(private, "/join"), {"code": "WRONGCODE1"}).status_code == 404
    assert ben.get("/join/WRONGCODE1").status_code == 404
    code = private.join_code.lower()
    assert ben.get(f"/join?code=%20{code}%20")["Location"] == f"/join/{code}"
    invited = ben.get(f"/join/{code}")
    assert "For friends" in text_of(invited)
    assert f"{page_of(private, '/join')}?code={private.join_code}" in invited.content.decode()
    assert "Yes, join" in text_of(ben.get(page_of(private, f"/join?code={private.join_code}")))
    assert "You take part" in text_of(ben.post(page_of(private, "/join"), {"code": private.join_code}, follow=True))
    assert ben.get(f"/join/{code}")["Location"] == page_of(private)


def test_only_its_owner_sees_how_to_invite_people(
    ada: Client, ben: Client, other: User, make_competition: MakeCompetition, join: Any
) -> None:
    private = make_competition(visibility="private")
    join(private, other)
    assert f"/join/{private.join_code}" in ada.get(page_of(private)).content.decode()
    assert private.join_code not in ben.get(page_of(private)).content.decode()


def test_a_fee_is_paid_at_the_checkout_and_the_page_shows_the_seat(
    ben: Client, other: User, make_competition: MakeCompetition, settings: Any
) -> None:
    settings.PAYMENT_GATEWAY, settings.GATEWAYS = "sandbox", {"sandbox"}
    paid = make_competition(starts=2, ends=9, entry_fee_minor=1050, currency="EUR")
    assert "Join for 10.50 EUR" in text_of(ben.get(page_of(paid)))
    assert "Join and pay 10.50 EUR" in text_of(ben.get(page_of(paid, "/join")))
    assert not Seat.objects.exists(), "looking holds no place"
    held = ben.post(page_of(paid, "/join"), follow=True)
    payment = Payment.objects.get(user=other)
    assert "A place is held for you" in text_of(held)
    assert f'href="{payment.checkout_url}"' in held.content.decode()
    assert not Participant.objects.exists()
    sandbox = ben.get(payment.checkout_url)
    assert f'href="{page_of(paid)}"' in sandbox.content.decode(), "and from there it goes back"
    sent = pay_checkout(payment.checkout_reference)
    assert sent is not None
    receive_webhook(gateway_name="sandbox", body=sent[0], headers=sent[1], now=timezone.now())
    assert "You take part" in text_of(ben.get(page_of(paid)))
    assert "goes back to you" in text_of(ben.get(page_of(paid, "/leave")))


# --- What it is ---


def test_the_page_says_in_words_what_it_is(ben: Client, other: User, make_competition: MakeCompetition) -> None:
    User.objects.filter(id=other.id).update(timezone="Asia/Tokyo")
    competition = make_competition(
        description="Twice <around>.", timezone="UTC", prize_pool_minor=50_000, currency="EUR", max_participants=5
    )
    answer = ben.get(page_of(competition))
    page = text_of(answer)
    assert "Twice &lt;around&gt;." in answer.content.decode()
    for said in (
        "Tokyo time",
        "09:00",
        "5 places left",
        "500.00 EUR",
        "Promised by the organiser",
        "Every step counts",
    ):
        assert said in page
    assert "1st place 60 % of the pool" in page


# --- The board ---


def test_the_board_of_any_competition_one_sees_comes_with_a_ticket_of_ones_own(
    ben: Client, person: User, other: User, signed_in: Any, make_competition: MakeCompetition, join: Any
) -> None:
    private = make_competition(visibility="private")
    join(private, person, other)
    for someone, steps in ((person, 9_000), (other, 7_500)):
        signed_in(someone).post("/api/v1/fitness/sync", {"steps": steps, "source": "fitbit"})
    answer = ben.get(page_of(private, "/board"))
    html, page = answer.content.decode(), text_of(answer)
    opened = open_ticket(html.partition('data-ticket="')[2].partition('"')[0], private.id, timezone.now())
    assert (opened.viewer, opened.one_board) == (other, True)
    assert answer["Cache-Control"] == "private, no-store"
    assert f'<li class="row" id="me" data-user="{other.id}"' in html
    assert "2nd You, 7,500 steps 1,501 steps to the next place" in page
    fresh = text_of(ben.get(page_of(private, "/board/me")))
    assert "2nd You, 7,500 steps 1,501 steps to the next place" in fresh


def test_who_stands_far_behind_sees_those_around_them(
    ben: Client, other: User, make_person: MakePerson, make_competition: MakeCompetition, join: Any
) -> None:
    board = make_competition()
    walkers = [make_person(f"Walker {number:03}").id for number in range(103)]
    for number, walker in enumerate(walkers):
        enrol_people(competition=board, user_ids=[walker], now=board.start_at + timedelta(minutes=number))
    join(board, other)
    page = ben.get(page_of(board, "/board"))
    assert "104th" in text_of(page)
    around = page.content.decode().partition('id="around"')[2].partition("</ol>")[0]
    assert "Walker 102" in around
    assert "data-mine" in around
    assert 'id="me"' not in page.content.decode()


def test_who_only_looks_has_nothing_pinned(ben: Client, make_competition: MakeCompetition) -> None:
    assert 'id="pinned"' not in ben.get(page_of(make_competition(), "/board")).content.decode()


def test_a_public_board_has_no_row_of_anybody(stranger: Client, make_competition: MakeCompetition) -> None:
    html = stranger.get(f"/boards/{make_competition(visibility='public').id}").content.decode()
    assert 'id="me"' not in html
    assert 'href="/sign-in"' in html
