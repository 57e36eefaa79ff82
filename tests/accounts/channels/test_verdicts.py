"""Every provider, and every way in which sending can end: one request, one verdict."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.test import Client

from accounts.channels.base import (
    AddressDead,
    ChannelError,
    MessageRefused,
    OutcomeUnknown,
    ProviderBusy,
    ProviderMisconfigured,
    ProviderUnavailable,
)
from accounts.channels.sending import circuits
from config.core.circuit import CircuitState
from tests.accounts.channels.conftest import ADDRESS, BODY, NUMBER, REFERENCE, SOON, TOKEN, Side
from tests.accounts.channels.serving import Answer, Fault, json_answer

LogLines = Callable[[], list[dict[str, Any]]]

FAULTS: dict[str, tuple[Fault, type[ChannelError], float | None]] = {
    "429 that says when": (Fault("answer", answer=Answer(429, headers={"Retry-After": "17"})), ProviderBusy, 17),
    "429 that does not": (Fault("answer", answer=Answer(429)), ProviderBusy, 60),
    "429 with a date": (
        Fault("answer", answer=Answer(429, headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"})),
        ProviderBusy,
        60,
    ),
    "503 that says when": (
        Fault("answer", answer=Answer(503, headers={"Retry-After": "30"})),
        ProviderUnavailable,
        30,
    ),
    "503 that does not": (Fault("answer", answer=Answer(503)), ProviderUnavailable, None),
    "500": (Fault("answer", answer=json_answer(500, {"error": {"status": "INTERNAL"}})), OutcomeUnknown, None),
    "500 after it was taken": (Fault("answer", done=True, answer=Answer(500)), OutcomeUnknown, None),
    "504 of a gateway": (Fault("answer", answer=Answer(504, b"<html>")), OutcomeUnknown, None),
    "a time-out": (Fault("hang"), OutcomeUnknown, None),
    "a time-out after it was taken": (Fault("hang", done=True), OutcomeUnknown, None),
    "a broken connection": (Fault("close"), OutcomeUnknown, None),
    "a broken connection after it was taken": (Fault("close", done=True), OutcomeUnknown, None),
    "half an answer": (Fault("cut", done=True), OutcomeUnknown, None),
    "a page where an answer should be": (
        Fault("answer", done=True, answer=Answer(200, b"<html>Welcome to this hotel")),
        OutcomeUnknown,
        None,
    ),
    "an answer of another shape": (
        Fault("answer", done=True, answer=json_answer(200, {"sid": 7, "name": ["x"]})),
        OutcomeUnknown,
        None,
    ),
    "another address": (Fault("answer", answer=Answer(302)), ProviderMisconfigured, None),
    "a refusal that nobody knows": (Fault("answer", answer=Answer(422, b"no")), MessageRefused, None),
    "a refusal of another shape": (
        Fault("answer", answer=json_answer(400, {"errors": "x", "error": "x", "code": "x"})),
        MessageRefused,
        None,
    ),
}


def test_what_is_taken_has_the_provider_s_id(side: Side) -> None:
    first, second = side.send(), side.send()
    assert (len(side.provider.taken), side.attempts()) == (2, 2)
    assert first != second
    assert all(first in str(taken) for taken in side.provider.taken[:1])


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_one_verdict_after_one_request(side: Side, name: str, settings: Any) -> None:
    fault, verdict, wait = FAULTS[name]
    if side.name == "fcm":
        side.send()  # it has its access token
    if fault.how == "hang":
        settings.MESSAGE_TIMEOUT_SECONDS = SOON
    before, asked = len(side.provider.taken), side.attempts()
    side.provider.faults.append(Fault(fault.how, fault.done, fault.answer, at="messages" if side.name == "fcm" else ""))
    with pytest.raises(ChannelError) as raised:
        side.send()
    assert type(raised.value) is verdict
    assert getattr(raised.value, "retry_after", None) == wait
    assert side.attempts() - asked == 1, "the channel repeats nothing"
    assert len(side.provider.taken) - before == fault.done
    assert not side.provider.faults


def test_nothing_was_sent_where_nobody_listens(side: Side, settings: Any) -> None:
    setattr(settings, side.url_setting, "http://127.0.0.1:1")
    with pytest.raises(ProviderUnavailable) as raised:
        side.send()
    assert type(raised.value) is ProviderUnavailable
    setattr(settings, side.url_setting, side.provider.url)
    assert side.send()


@pytest.fixture
def full_house() -> Iterator[str]:
    """A server that is too busy even to take connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as waiting:
        for _ in range(4):
            guest = waiting.enter_context(socket.socket())
            guest.setblocking(False)
            guest.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_nothing_was_sent_before_the_door_opened(side: Side, settings: Any, full_house: str) -> None:
    settings.MESSAGE_TIMEOUT_SECONDS = SOON
    setattr(settings, side.url_setting, full_house)
    if side.name == "fcm":
        settings.FCM_SERVICE_ACCOUNT = side.provider.service_account(token_uri=f"{full_house}/token")  # type: ignore[attr-defined]  # its provider alone has one
    with pytest.raises(ProviderUnavailable) as raised:
        side.send()
    assert type(raised.value) is ProviderUnavailable


@pytest.mark.django_db
def test_operators_see_which_provider_is_left_alone(side: Side, client: Client) -> None:
    side.provider.faults.extend([Fault("answer", answer=Answer(503), at="messages" if side.name == "fcm" else "")] * 5)
    for _ in range(5):
        with pytest.raises(ProviderUnavailable):
            side.send()
    assert client.get("/health/detailed").json()["circuits"] == {side.name: "open"}


def test_an_address_that_is_no_use_is_dead(side: Side) -> None:
    for address in side.dead:
        with pytest.raises(AddressDead) as raised:
            side.send(address)
        assert address not in str(raised.value)
    assert not side.provider.taken
    assert side.send(), "and the circuit stays closed"


def test_wrong_credentials_are_the_operator_s_to_put_right(side: Side, settings: Any, log_lines: LogLines) -> None:
    right = {name: getattr(settings, name) for name in ("SENDGRID_API_KEY", "FCM_SERVICE_ACCOUNT", "TWILIO_AUTH_TOKEN")}
    side.lock_out(settings)
    with pytest.raises(ProviderMisconfigured):
        side.send()
    (line,) = [line for line in log_lines() if line["event"] == "message_not_sent"]
    assert (line["level"], line["outcome"], line["reference"]) == ("error", "misconfigured", REFERENCE)
    for name, value in right.items():
        setattr(settings, name, value)
    assert side.send(), "what waited goes out"


def test_five_failures_open_the_circuit_and_one_success_closes_it(side: Side, settings: Any) -> None:
    settings.BREAKER_SECONDS = 0.3
    at = "messages" if side.name == "fcm" else ""
    down = [Fault("answer", answer=Answer(503), at=at), Fault("close", at=at)]
    side.provider.faults.extend([*down, *down, down[0]])
    for _ in range(5):
        with pytest.raises((ProviderUnavailable, OutcomeUnknown)):
            side.send()
    with pytest.raises(ProviderBusy) as raised:
        side.send()
    assert raised.value.retry_after > 0
    assert (side.attempts(), circuits()[side.name]) == (5, CircuitState.OPEN)
    time.sleep(0.35)  # the circuit's own clock is what is tested, and it is the real one
    assert side.send()
    assert circuits()[side.name] == CircuitState.CLOSED


def test_refusals_do_not_open_the_circuit(side: Side) -> None:
    for _ in range(6):
        with pytest.raises(AddressDead):
            side.send(side.dead[0])
    assert side.send()


def test_no_log_line_has_a_secret_an_address_or_a_word_of_the_message(
    side: Side, settings: Any, log_lines: LogLines
) -> None:
    side.send()
    addresses = [*side.dead, ADDRESS, TOKEN, NUMBER]
    for address in side.dead:
        with pytest.raises(AddressDead):
            side.send(address)
    at = "messages" if side.name == "fcm" else ""
    settings.MESSAGE_TIMEOUT_SECONDS = SOON
    for how in ("close", "cut", "hang"):
        side.provider.faults.append(Fault(how, at=at))
        with pytest.raises(OutcomeUnknown):
            side.send()
    written = str(log_lines())
    assert "message_sent" in written
    assert "message_not_sent" in written
    for secret in [*side.provider.secrets, *addresses, BODY, "hush"]:
        assert secret not in written, secret


@pytest.mark.django_db
def test_attempts_are_counted_by_how_they_ended(side: Side, client: Client) -> None:
    side.provider.faults.append(Fault("close", at="messages" if side.name == "fcm" else ""))
    with pytest.raises(OutcomeUnknown):
        side.send()
    metrics = client.get("/metrics").content.decode()
    assert f'pacesetter_messages_total{{outcome="unknown",provider="{side.name}"}}' in metrics
