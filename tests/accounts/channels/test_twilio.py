"""Texts by Twilio, and the console in its place."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.channels.base import (
    AddressDead,
    AddressStopped,
    MessageRefused,
    OutcomeUnknown,
    ProviderBusy,
    ProviderMisconfigured,
    ProviderUnavailable,
)
from accounts.channels.sending import send, sent_already
from tests.accounts.channels.conftest import BODY, NUMBER, REFERENCE, SOON, TOKEN, push, text
from tests.accounts.channels.serving import Answer, Fault, json_answer
from tests.accounts.channels.twilio_server import Twilio, problem


@pytest.fixture
def since() -> datetime:
    return datetime.now(UTC)


def test_a_text_comes_from_our_number_and_says_where_to_tell_of_it(twilio: Twilio, settings: Any) -> None:
    sid = send(text())
    (taken,) = twilio.taken
    assert taken["sid"] == sid
    assert taken["form"] == {
        "To": NUMBER,
        "Body": BODY,
        "From": twilio.number,
        "SmartEncoded": "false",
        "StatusCallback": f"https://steps.example.org/webhooks/messages/twilio?reference={REFERENCE}",
    }


def test_a_messaging_service_chooses_the_number_itself(twilio: Twilio, settings: Any) -> None:
    settings.TWILIO_FROM = "MG" + "0" * 32
    send(text())
    assert twilio.taken[0]["form"]["MessagingServiceSid"] == settings.TWILIO_FROM
    assert "From" not in twilio.taken[0]["form"]


def test_who_said_stop_may_change_their_mind(twilio: Twilio) -> None:
    with pytest.raises(AddressStopped):
        send(text("+15005550004"))
    with pytest.raises(AddressDead) as raised:
        send(text("+15005550001"))
    assert type(raised.value) is AddressDead


def test_a_number_that_our_sender_cannot_reach_is_not_dead(twilio: Twilio) -> None:
    with pytest.raises(MessageRefused):
        send(text("+15005550002"))
    with pytest.raises(MessageRefused):
        send(text(body="x" * 1601))


def test_a_sender_that_is_not_ours_is_the_operator_s_to_put_right(twilio: Twilio, settings: Any) -> None:
    settings.TWILIO_FROM = "+15550000000"
    with pytest.raises(ProviderMisconfigured):
        send(text())


def test_its_own_word_for_too_many_is_understood(twilio: Twilio) -> None:
    twilio.faults.append(Fault("answer", answer=problem(429, 20429, "Too Many Requests")))
    with pytest.raises(ProviderBusy):
        send(text())


def test_what_was_taken_after_all_is_found_and_what_was_not_is_not(twilio: Twilio, since: datetime) -> None:
    twilio.faults.append(Fault("close", done=False))
    with pytest.raises(OutcomeUnknown):
        send(text())
    assert sent_already(text(), since=since) is None
    twilio.faults.append(Fault("close", done=True))
    with pytest.raises(OutcomeUnknown):
        send(text())
    assert sent_already(text(), since=since) == twilio.taken[0]["sid"]


def test_what_a_trial_account_puts_in_front_does_not_hide_it(twilio: Twilio, since: datetime) -> None:
    twilio.prefix = "Sent from your Twilio trial account - "
    assert sent_already(text(), since=since) is None
    sid = send(text())
    assert sent_already(text(), since=since) == sid


def test_the_same_words_of_yesterday_or_to_somebody_else_are_another_text(twilio: Twilio, since: datetime) -> None:
    twilio.message(NUMBER, BODY, at=since - timedelta(days=1))
    twilio.message("+4915198765432", BODY, at=since)
    twilio.message(NUMBER, "Something else.", at=since)
    twilio.taken[-1]["direction"] = "outbound-api"
    twilio.message(NUMBER, BODY, at=since)
    twilio.taken[-1]["direction"] = "inbound"
    assert sent_already(text(), since=since) is None


@pytest.mark.parametrize(
    "fault",
    [
        Fault("hang"),
        Fault("close"),
        Fault("answer", answer=Answer(500)),
        Fault("answer", answer=Answer(200, b"<html>")),
        Fault("answer", answer=json_answer(200, {"messages": None})),
        Fault("answer", answer=problem(401, 20003, "Authenticate")),
    ],
)
def test_an_answer_that_is_missing_does_not_mean_that_there_is_no_text(
    twilio: Twilio, since: datetime, fault: Fault, settings: Any
) -> None:
    sid = send(text())
    twilio.faults.append(fault)
    settings.MESSAGE_TIMEOUT_SECONDS = SOON if fault.how == "hang" else 5.0
    with pytest.raises(ProviderUnavailable):
        sent_already(text(), since=since)
    settings.MESSAGE_TIMEOUT_SECONDS = 5.0
    assert sent_already(text(), since=since) == sid


def test_odd_messages_among_those_listed_are_left_out(twilio: Twilio, since: datetime) -> None:
    odd = [None, {}, {"direction": 5}, {"direction": "outbound-api", "date_created": "yesterday", "body": BODY}]
    twilio.faults.append(Fault("answer", answer=json_answer(200, {"messages": odd})))
    assert sent_already(text(), since=since) is None


def test_without_keys_the_console_says_what_would_be_sent(
    settings: Any, capsys: pytest.CaptureFixture[str], log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    assert {send(text()), send(push())} == {"console"}
    assert capsys.readouterr().out == ""
    assert sent_already(text(), since=datetime.now(UTC)) is None
    settings.DEBUG = True
    send(text())
    send(push())
    said = capsys.readouterr().out
    assert said.count(BODY) == 2
    lines = [line for line in log_lines() if line["event"] == "message_to_console"]
    assert [line["channel"] for line in lines] == ["sms", "push", "sms", "push"]
    for secret in (NUMBER, TOKEN):
        assert secret not in said + str(log_lines())
    assert BODY not in str(log_lines())
