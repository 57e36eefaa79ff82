"""Push messages by Firebase Cloud Messaging."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from accounts.channels.base import MessageRefused, OutcomeUnknown, ProviderMisconfigured, ProviderUnavailable
from accounts.channels.sending import send
from tests.accounts.channels.conftest import BODY, REFERENCE, SOON, TOKEN, push
from tests.accounts.channels.fcm_server import FCM, problem
from tests.accounts.channels.serving import Answer, Fault, json_answer

TO_SEND = "messages:send"


def token_fetches(fcm: FCM) -> int:
    return sum(asked.path == "/token" for asked in fcm.asked)


def test_a_repeat_takes_the_place_of_the_first_on_every_kind_of_device(fcm: FCM) -> None:
    send(push())
    send(push())
    send(push(collapse_key="another"))
    first, second, other = fcm.taken
    (key, *_) = keys = [
        first["android"]["collapse_key"],
        first["android"]["notification"]["tag"],
        first["apns"]["headers"]["apns-collapse-id"],
        first["webpush"]["headers"]["Topic"],
        first["webpush"]["notification"]["tag"],
    ]
    assert set(keys) == {key}
    assert len(key) == 32
    assert second["android"]["notification"]["tag"] == key
    assert other["android"]["notification"]["tag"] != key


def test_a_push_says_what_happened_and_where_to_look(fcm: FCM) -> None:
    send(push())
    (taken,) = fcm.taken
    assert taken["token"] == TOKEN
    assert taken["notification"] == {"title": "Your day", "body": BODY}
    assert taken["data"] == {"url": "https://steps.example.org/me", "reference": REFERENCE}
    assert taken["webpush"]["fcm_options"] == {"link": "https://steps.example.org/me"}
    send(push(url="http://localhost:8080/me"))
    assert "fcm_options" not in fcm.taken[1]["webpush"], "FCM takes no other than https"


def test_one_access_token_serves_all_until_it_ends(fcm: FCM) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: send(push()), range(16)))
    assert (len(fcm.taken), token_fetches(fcm)) == (16, 1)


def test_a_refused_access_token_is_fetched_anew_once(fcm: FCM) -> None:
    send(push())
    fcm.expire_access()
    assert send(push())
    assert (len(fcm.taken), token_fetches(fcm)) == (2, 2)


def test_an_account_that_may_not_push_is_the_operator_s_to_put_right(fcm: FCM) -> None:
    fcm.faults.extend([Fault("answer", answer=problem(401, "UNAUTHENTICATED"), at=TO_SEND)] * 2)
    with pytest.raises(ProviderMisconfigured):
        send(push())
    assert token_fetches(fcm) == 2
    fcm.faults.append(Fault("answer", answer=problem(403, "PERMISSION_DENIED"), at=TO_SEND))
    with pytest.raises(ProviderMisconfigured):
        send(push())


def test_keys_of_apple_that_have_run_out_are_no_fault_of_ours(fcm: FCM) -> None:
    answer = problem(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR")
    fcm.faults.append(Fault("answer", answer=answer, at=TO_SEND))
    with pytest.raises(ProviderMisconfigured):
        send(push())
    assert token_fetches(fcm) == 1, "another access token would not help"


def test_a_project_that_does_not_exist_costs_nobody_a_device(fcm: FCM, settings: Any) -> None:
    settings.FCM_SERVICE_ACCOUNT = fcm.service_account(project_id="steps-mistyped")
    with pytest.raises(ProviderMisconfigured):
        send(push())


def test_a_message_that_is_too_long_says_nothing_about_the_device(fcm: FCM) -> None:
    with pytest.raises(MessageRefused):
        send(push(body="x" * 5000))


def test_a_wrong_field_that_is_not_the_token_says_nothing_about_the_device(fcm: FCM) -> None:
    answer = problem(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "a registration token?", "message.data")
    fcm.faults.append(Fault("answer", answer=answer, at=TO_SEND))
    with pytest.raises(MessageRefused):
        send(push())


@pytest.mark.parametrize(
    "fault",
    [
        Fault("hang", at="/token"),
        Fault("close", at="/token"),
        Fault("answer", at="/token", answer=Answer(500)),
        Fault("answer", at="/token", answer=Answer(200, b"<html>")),
        Fault("answer", at="/token", answer=json_answer(200, {"access_token": "x"})),
    ],
)
def test_without_an_access_token_nothing_was_sent(fcm: FCM, fault: Fault, settings: Any) -> None:
    fcm.faults.append(fault)
    settings.MESSAGE_TIMEOUT_SECONDS = SOON if fault.how == "hang" else 5.0
    with pytest.raises(ProviderUnavailable) as raised:
        send(push())
    assert type(raised.value) is ProviderUnavailable
    assert (len(fcm.asked), fcm.taken) == (1, [])
    settings.MESSAGE_TIMEOUT_SECONDS = 5.0
    assert send(push())


def test_a_name_that_is_none_leaves_it_unknown(fcm: FCM) -> None:
    fcm.faults.append(Fault("answer", done=True, at=TO_SEND, answer=Answer(200, json.dumps([1]).encode())))
    with pytest.raises(OutcomeUnknown):
        send(push())
