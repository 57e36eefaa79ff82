"""What people are told, as they read it: every event, in every language, by every channel."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from django.utils.html import escape

from accounts.gsm import gsm_text
from accounts.messages import Shown, digest_of, letter_of, push_of, shown, text_of
from accounts.models import Notification, User
from accounts.notices import CHOOSABLE, Event
from accounts.services.people import erase_person
from accounts.wording import about, language_of
from competitions.policy import Check
from competitions.rules import Metric
from config.panel.messages.samples import sample_notification, sample_person
from fitness.plausibility import Decision
from tests.conftest import MakePerson

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 29, 21, 30, tzinfo=UTC)  # half past eleven in Berlin, where clocks went forward that day
LANGUAGES = [code for code, _ in configured.LANGUAGES]
MISSING = "⟦%s⟧"
OTHERWISE: list[tuple[Event, dict[str, Any]]] = [
    (Event.JOINED, {"starts_on": "2026-03-01", "starts_at": None}),
    (Event.JOINED, {"starts_at": None}),
    (Event.STREAK_AT_RISK, {"days": 1, "steps": 7_999}),
    (Event.FINAL_RESULT, {"corrected": True}),
    (Event.FINAL_RESULT, {"disqualified": True, "rank": None}),
    (Event.CANCELLED, {"refunded": False}),
    (Event.FLAG_OPENED, {"held": False}),
    (Event.CORRECTION, {"points": 1, "reason": "", "metric": None}),
    *((Event.FLAG_OPENED, {"check": check.value}) for check in Check),
    *((Event.FLAG_DECIDED, {"decision": decision.value, "reason": ""}) for decision in Decision),
    *((Event.FINAL_RESULT, {"metric": metric.value}) for metric in Metric),
]
EVERY = [*((event, {}) for event in Event), *OTHERWISE]


@pytest.fixture(autouse=True)
def gaps_show(settings: Any) -> None:
    """A variable that nobody filled leaves a mark."""
    (templates,) = settings.TEMPLATES
    settings.TEMPLATES = [{**templates, "OPTIONS": {**templates["OPTIONS"], "string_if_invalid": MISSING}}]
    settings.PUBLIC_URL = "https://steps.example.org"


@pytest.fixture
def ben(make_person: MakePerson) -> User:
    return make_person("Ben O'Neil")


Told = Callable[..., Notification]


@pytest.fixture
def told(ben: User) -> Told:
    def tell(event: Event, reader: User, **other: Any) -> Notification:
        return sample_notification(event, reader, rival=ben, now=AT, **other)

    return tell


def said_of(told: Told, event: Event, reader: User, **other: Any) -> Iterator[str]:
    """By every channel."""
    notification = told(event, reader, **other)
    letter = letter_of(notification, reader, reference="r")
    push = push_of(notification, reader, token="t", reference="r")
    text = text_of(notification, reader, number="+49", reference="r")
    listed = shown([notification], reader.language, reader.timezone)[0]
    yield from (letter.subject, letter.text, letter.html, push.title, push.body, push.url, text.body)
    yield from (listed.title, listed.body, listed.url)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_event_is_told_by_every_channel_without_a_gap(told: Told, language: str) -> None:
    reader = sample_person(language)
    for event, other in EVERY:
        for said in said_of(told, event, reader, **other):
            assert said.strip(), event
            assert not re.search(r"⟦|None|%\(|\{[{%]|\}\}", said), (event, other, said)
    assert (
        MISSING.partition("%")[0]
        in letter_of(Notification(event=Event.STARTED, user=reader, created_at=AT, data={}), reader, reference="r").text
    ), "a gap would not have been seen"


def test_each_language_has_words_of_its_own(told: Told) -> None:
    english, german = (sample_person(language) for language in ("en", "de"))
    for event, other in EVERY:
        pairs = zip(said_of(told, event, english, **other), said_of(told, event, german, **other), strict=True)
        for place, (one, another) in enumerate(pairs):
            assert one != another or place in (5, 9), (event, one)  # addresses
    for event in Event:
        with translation.override("de"):
            in_german = about(event)
        assert in_german != about(event)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_message_is_one_message_however_long_the_names(
    told: Told, language: str, make_person: MakePerson
) -> None:
    reader = sample_person(language)
    ben = make_person("B" * 80)
    lengthy = {"competition": "W" * 120, "provider": "P" * 120}
    large = {
        "rank": 1_234_567,
        "of": 1_234_567,
        "amount_minor": 10**15,
        "points": -(10**12),
        "days": 12_345,
        "steps": 0,
    }
    alphabet = set("@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà")
    for event, other in EVERY:
        usual = told(event, reader).data
        bounds = {name: value for name, value in {**lengthy, **large, "goal": 10**9}.items() if name in usual}
        notification = told(event, reader, **{**other, **bounds, **({"by": str(ben.id)} if "by" in usual else {})})
        body = text_of(notification, reader, number="+49", reference="r").body
        assert len(body) <= 160, (event, len(body), body)
        assert all(sign in alphabet or (sign.isascii() and sign.isalnum()) for sign in body), body
        push = push_of(notification, reader, token="t", reference="r")
        assert (len(push.title) <= 150, len(push.body) <= 300) == (True, True), push
        assert len(letter_of(notification, reader, reference="r").subject) <= 150


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Łódź – „Lauf“ 🏃", 'odz - "Lauf"'),
        ("Забег", ""),
        ("Çelik’s run", "Çelik's run"),
        ("Crème brûlée", "Crème brulée"),
        ("[5 €]", "[5 €]"),
    ],
)
def test_what_the_alphabet_of_text_messages_lacks_is_written_plainer(name: str, written: str) -> None:
    assert gsm_text(name).strip() == written


def test_a_name_that_a_text_message_cannot_write_is_not_torn(told: Told) -> None:
    for language, said in (("en", "Your competition has started."), ("de", "Dein Wettbewerb hat begonnen")):
        reader = sample_person(language)
        body = text_of(told(Event.STARTED, reader, competition="Забег 2026"), reader, number="+49", reference="r").body
        assert said in body
        assert "2026 has" not in body


def test_numbers_times_and_plurals_are_those_of_the_reader(told: Told) -> None:
    def lines(language: str, zone: str) -> dict[Event, Shown]:
        asked = (Event.STARTS_SOON, Event.PRIZE_SENT, Event.PROVISIONAL_RESULT)
        reader = sample_person(language)
        notifications = [
            told(event, reader, amount_minor=123_450) if event == Event.PRIZE_SENT else told(event, reader)
            for event in asked
        ]
        return dict(zip(asked, shown(notifications, language, zone), strict=True))

    english, german, nowhere = lines("en", "America/New_York"), lines("de-AT", "Europe/Berlin"), lines("fr", "")
    assert english[Event.STARTS_SOON].body == "Around the lake starts on 30 Mar 2026, 17:30."
    assert german[Event.STARTS_SOON].body == "Around the lake beginnt am 30. März 2026, 23:30."
    assert nowhere[Event.STARTS_SOON].body == "Around the lake starts on 30 Mar 2026, 21:30 UTC."
    assert "1,234.50 EUR" in english[Event.PRIZE_SENT].title
    assert "1.234,50 EUR" in german[Event.PRIZE_SENT].title
    assert "place 3 of 1,248" in english[Event.PROVISIONAL_RESULT].body
    reader = sample_person("de")
    for days, steps, title, line in (
        (1, 7_999, "Deine Serie von 1 Tag ist in Gefahr", "Heute fehlt noch 1 Schritt,"),
        (2, 7_998, "Deine Serie von 2 Tagen ist in Gefahr", "Heute fehlen noch 2 Schritte,"),
    ):
        push = push_of(told(Event.STREAK_AT_RISK, reader, days=days, steps=steps), reader, token="t", reference="r")
        assert push.title == title
        assert push.body.startswith(line)
    point = told(Event.CORRECTION, reader, points=1, metric="weighted")
    assert "um 1 Punkt erhöht" in push_of(point, reader, token="t", reference="r").body


def test_a_competition_that_began_is_not_announced_as_if_it_had_not(told: Told) -> None:
    reader = sample_person("en")
    begun = told(Event.JOINED, reader, starts_on="2026-03-29", starts_at="2026-03-28T23:00:00+00:00")
    ahead = told(Event.JOINED, reader, starts_on="2026-03-30", starts_at="2026-03-29T22:00:00+00:00")
    assert "running already" in shown([begun], "en")[0].body
    assert "starts on 29 Mar 2026, 22:00 UTC" in shown([ahead], "en")[0].body


def test_the_language_of_the_site_stays_what_it_was(told: Told) -> None:
    with translation.override("en"):
        list(said_of(told, Event.STARTED, sample_person("de")))
        assert translation.get_language() == "en"
    assert [language_of(wanted) for wanted in ("de", "de-AT", "DE", "", "xx", "en-GB", "x'; --")] == [
        "de",
        "de",
        "de",
        "en",
        "en",
        "en",
        "en",
    ]


def test_what_people_wrote_is_text_in_a_letter_and_no_header(told: Told) -> None:
    reader = sample_person("en")
    evil = "<script>alert(1)</script>\r\nBcc: all@example.org\n\n<b>x</b>\u2028\x00"
    letter = letter_of(told(Event.STARTED, reader, competition=evil), reader, reference="r")
    assert not re.search(r"[\r\n\x00\u2028]", letter.subject)
    assert letter.subject.startswith("<script>alert(1)</script> Bcc: all@example.org <b>x</b>")
    assert "<script>" not in letter.html
    assert "<b>" not in letter.html
    assert escape("<script>alert(1)</script> Bcc: all@example.org") in letter.html
    assert "<script>alert(1)</script> Bcc:" in letter.text, "plain text is not escaped"
    decided = told(Event.FLAG_DECIDED, reader, reason="It rode.\n\n<img src=x onerror=alert(1)> & so on {{ by }}")
    letter = letter_of(decided, reader, reference="r")
    assert "<img" not in letter.html
    assert "It rode. <img src=x onerror=alert(1)> & so on {{ by }}" in letter.text
    assert (
        "&amp;" not in push_of(told(Event.STARTED, reader, competition="A & B"), reader, token="t", reference="r").body
    )


def test_a_letter_brings_everything_along(told: Told) -> None:
    """No picture, style or script from elsewhere, which would tell somebody that it was read."""
    for event in Event:
        html = letter_of(told(event, sample_person("de")), sample_person("de"), reference="r").html
        assert '<html lang="de">' in html
        assert not re.search(r"<(img|script|link|iframe|form)\b|url\(|@import|\bsrc=", html), event
        assert {"https://steps.example.org"} == {
            "/".join(link.split("/")[:3]) for link in re.findall(r'href="([^"]+)"', html)
        }


def test_mail_about_the_account_has_a_link_of_its_own_and_none_to_unsubscribe(told: Told) -> None:
    reader = sample_person("en")
    for event in Event:
        letter = letter_of(told(event, reader), reader, reference="r")
        assert bool(letter.unsubscribe_url) is (event in CHOOSABLE)
        assert ("/unsubscribe/" in letter.html) is ("/unsubscribe/" in letter.text) is (event in CHOOSABLE)
    for event, path in (
        (Event.VERIFY_EMAIL, "/verify-email/"),
        (Event.PASSWORD_RESET, "/reset-password/"),
        (Event.PASSWORD_CHANGED, "/reset-password/"),
    ):
        letter = letter_of(told(event, reader), reader, reference="r")
        (link,) = re.findall(rf"https://steps.example.org{path}\S+", letter.text)
        assert escape(link) in letter.html
        assert path not in push_of(told(event, reader), reader, token="t", reference="r").url


def test_nobodys_name_outlives_them(told: Told, ben: User, now: datetime) -> None:
    reader = sample_person("de")
    overtaken = told(Event.OVERTAKEN, reader)
    assert shown([overtaken], "en")[0].title == "Ben O'Neil has overtaken you"
    erase_person(user_id=ben.id, now=now)
    assert shown([overtaken], "en")[0].title == "A former participant has overtaken you"
    assert letter_of(overtaken, reader, reference="r").subject == "Ein früheres Mitglied hat dich überholt"
    gone = told(Event.OVERTAKEN, reader, by=str(uuid4()))
    assert "former participant" in shown([gone], "en")[0].title


def test_a_page_of_fifty_asks_once(told: Told, make_person: MakePerson) -> None:
    people = [make_person(f"P{n}") for n in range(50)]
    listed = [told(Event.OVERTAKEN, people[0], by=str(one.id)) for one in people]
    with CaptureQueriesContext(connection) as asked:
        lines = shown(listed, "de", "Europe/Berlin")
    assert len(asked) == 1
    assert [line.title for line in lines] == [f"P{n} hat dich überholt" for n in range(50)]
    assert {line.url for line in lines} == {
        f"https://steps.example.org/competitions/{one.competition_id}/board" for one in listed
    }


def test_a_digest_is_one_letter_about_all_of_it(told: Told) -> None:
    reader = sample_person("de")
    many = [told(event, reader) for event in CHOOSABLE]
    with CaptureQueriesContext(connection) as asked:
        letter = digest_of(many, reader, reference="r")
    assert len(asked) == 1, "whom it is about"
    assert letter.subject == f"Dein Tag: {len(CHOOSABLE)} Nachrichten"
    assert digest_of(many[:1], reader, reference="r").subject == "Dein Tag: 1 Nachricht"
    for one in many:
        line = shown([one], "de", reader.timezone)[0]
        assert line.body in letter.text
        assert escape(line.body) in letter.html
        assert line.url in letter.text
    assert letter.unsubscribe_url in letter.text
    assert [letter.text.index(shown([one], "de", reader.timezone)[0].title) for one in many[:3]] == sorted(
        letter.text.index(shown([one], "de", reader.timezone)[0].title) for one in many[:3]
    )
