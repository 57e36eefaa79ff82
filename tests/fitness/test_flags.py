"""GET /api/v1/fitness/flags, GET /fitness/flags/{id}, POST /fitness/flags/{id}/appeal and /decide"""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import Scope, User
from fitness.models import Flag
from tests.fitness.walking import measured, sync

URL = "/api/v1/fitness/flags"
pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]


@pytest.fixture
def yesterday(now: datetime) -> datetime:
    return datetime.combine(now.date() - timedelta(days=1), time(8), UTC)


@pytest.fixture
def judge(make_person: Any) -> User:
    judge: User = make_person("Judge")
    judge.user_permissions.add(Permission.objects.get(codename="decide_flag"))
    return User.objects.get(id=judge.id)


@pytest.fixture
def flag(person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime) -> Flag:
    competition = make_competition()
    join(competition, person)
    sync(person, measured(yesterday, 10_000, 600), now=now)
    return Flag.objects.get()


def test_people_see_what_was_seen_what_it_means_and_what_they_may_do(
    flag: Flag, person: User, signed_in: SignIn, yesterday: datetime
) -> None:
    answer = signed_in(person).get(URL)
    assert answer.status_code == 200
    assert answer.json()["pagination"]["total"] == 1
    [shown] = answer.json()["data"]
    assert (shown["id"], shown["competition_id"]) == (str(flag.id), str(flag.competition_id))
    assert (shown["competition_name"], shown["check"], shown["state"], shown["held"]) == (
        *("Lake walk", "cadence", "open"),
        True,
    )
    assert shown["date"] == yesterday.date().isoformat()
    assert shown["meaning"] == "This data does not count until somebody has decided."
    assert (shown["can_appeal"], shown["next"]) == (True, "You may appeal once and say why it should count.")
    [piece] = shown["evidence"]
    assert piece["text"] == ("1,000 steps per minute were measured for a minute or longer; 260 is more than people do.")
    assert piece["numbers"] == {"seen": 1000, "limit": 260, "unit": "steps per minute"}
    assert (piece["source"], piece["metric"], piece["date"]) == ("apple_health Watch (watch)", "steps", None)
    assert piece["start"] == f"{yesterday:%Y-%m-%dT%H:%M:%SZ}"


def test_one_flag_comes_with_its_history(flag: Flag, person: User, judge: User, signed_in: SignIn) -> None:
    phone, desk, url = signed_in(person), signed_in(judge), f"{URL}/{flag.id}"
    assert phone.post(f"{url}/appeal", {"text": "It was a race."}).json()["data"]["next"] == (
        "Your appeal waits for an answer."
    )
    decided = desk.post(f"{url}/decide", {"decision": "exclude", "reason": "Not that fast."})
    assert decided.status_code == 200
    shown = phone.get(url).json()["data"]
    assert shown == phone.get(f"{url}/").json()["data"]
    assert [(e["what"], e["by"], e["decision"], e["text"]) for e in shown["history"]] == [
        ("opened", "server", None, "Pieces of evidence: 1."),
        ("appealed", "person", None, "It was a race."),
        ("decided", "staff", "exclude", "Not that fast."),
    ]
    assert shown["meaning"] == "This data does not count. The reason: Not that fast."
    assert shown["next"] == "Your appeal was answered; there is no further one."
    assert (shown["state"], shown["can_appeal"], shown["reason"]) == ("excluded", False, "Not that fast.")


@pytest.mark.parametrize(
    ("decision", "meaning"),
    [
        ("accept", "Somebody has looked at this data and accepted it."),
        ("disqualify", "This data does not count, and its person is off the board. The reason: Dog."),
    ],
)
def test_a_decision_says_what_it_means(flag: Flag, judge: User, signed_in: SignIn, decision: str, meaning: str) -> None:
    answer = signed_in(judge).post(f"{URL}/{flag.id}/decide", {"decision": decision, "reason": "Dog."})
    assert answer.json()["data"]["meaning"] == meaning


def test_what_only_counts_under_protest_says_so(
    person: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime, signed_in: SignIn
) -> None:
    join(make_competition(stored_policy={"checks": {"cadence": "count"}}), person)
    sync(person, measured(yesterday, 10_000, 600), now=now)
    [shown] = signed_in(person).get(URL).json()["data"]
    assert shown["meaning"] == "This data counts unless somebody decides otherwise."
    assert shown["next"] == "There is nothing that you need to do."
    answer = signed_in(person).post(f"{URL}/{shown['id']}/appeal", {"text": "Why?"})
    assert (answer.status_code, answer.json()["error"]) == (409, "Conflict")


def test_somebody_elses_flag_does_not_exist(
    flag: Flag, other: User, judge: User, person: User, signed_in: SignIn, anonymous: APIClient, with_key: Any
) -> None:
    stranger, url = signed_in(other), f"{URL}/{flag.id}"
    assert stranger.get(URL).json()["data"] == []
    assert stranger.get(url).status_code == 404
    assert stranger.post(f"{url}/appeal", {"text": "Let me."}).status_code == 404
    assert stranger.post(f"{url}/decide", {"decision": "accept", "reason": "Me."}).status_code == 403
    assert signed_in(person).post(f"{url}/decide", {"decision": "accept", "reason": "Me."}).status_code == 403
    assert signed_in(judge).get(url).status_code == 200
    assert signed_in(judge).post(f"{url}/appeal", {"text": "For her."}).status_code == 403
    for client in (anonymous, with_key(Scope.ACTIVITY_WRITE)):
        for answer in (client.get(URL), client.get(url), client.post(f"{url}/appeal"), client.post(f"{url}/decide")):
            assert answer.status_code in (401, 403)
    for name in ("nothing", uuid4()):
        assert signed_in(person).get(f"{URL}/{name}").status_code == 404
        body = {"decision": "accept", "reason": "x"}
        assert signed_in(judge).post(f"{URL}/{name}/decide", body).status_code == 404


@pytest.mark.slow
def test_staff_see_everybodys_and_choose(flag: Flag, judge: User, other: User, person: User, signed_in: SignIn) -> None:
    desk = signed_in(judge)

    def found(query: str) -> int:
        answer = desk.get(f"{URL}?{query}")
        assert answer.status_code == 200, answer.content
        return int(answer.json()["pagination"]["total"])

    assert [found(f"user_id={user.id}") for user in (person, other)] == [1, 0]
    assert [found(f"competition_id={id_}") for id_ in (flag.competition_id, uuid4())] == [1, 0]
    assert [found(f"state={state}") for state in ("open", "accepted")] == [1, 0]
    assert (found(""), found("user_id=me"), found("offset=1")) == (1, 0, 1)
    assert signed_in(other).get(f"{URL}?user_id={person.id}").status_code == 403
    assert signed_in(person).get(f"{URL}?user_id=me").json()["pagination"]["total"] == 1
    for query in ("state=lost", "limit=0", "state=%00"):
        assert desk.get(f"{URL}?{query}").status_code == 400
    for query in ("competition_id=x", "user_id=%27"):
        assert desk.get(f"{URL}?{query}").status_code == 404


def test_only_staff_see_who_the_other_account_is(
    person: User, other: User, judge: User, make_competition: Any, join: Any, yesterday: datetime, now: datetime,
    signed_in: SignIn,
) -> None:  # fmt: skip
    join(make_competition(), person)
    copied = [measured(yesterday + timedelta(minutes=place), 101, 60) for place in range(5)]
    sync(other, *copied, now=now)
    sync(person, *copied, now=now)
    [mine], [theirs] = (signed_in(user).get(URL).json()["data"] for user in (person, judge))
    assert (mine["check"], str(other.id) in str(mine)) == ("shared_samples", False)
    assert theirs["evidence"][0]["other_user_id"] == str(other.id)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("appeal", {}, "text"),
        ("appeal", {"text": ""}, "text"),
        ("appeal", {"text": "x" * 2001}, "text"),
        ("appeal", {"text": "\x00"}, "text"),
        ("appeal", {"text": ["x"]}, "text"),
        ("decide", {"decision": "accept"}, "reason"),
        ("decide", {"decision": "accept", "reason": " "}, "reason"),
        ("decide", {"decision": "accept", "reason": "x" * 501}, "reason"),
        ("decide", {"decision": "forgive", "reason": "x"}, "decision"),
        ("decide", {"decision": 2**60, "reason": "x"}, "decision"),
    ],
)
def test_bad_input_is_a_400_that_names_the_field(
    flag: Flag, person: User, judge: User, signed_in: SignIn, path: str, body: dict[str, Any], field: str
) -> None:
    client = signed_in(person if path == "appeal" else judge)
    answer = client.post(f"{URL}/{flag.id}/{path}", body, format="json")
    assert (answer.status_code, list(answer.json()["details"])) == (400, [field])


def test_another_verb_is_a_405(flag: Flag, judge: User, signed_in: SignIn) -> None:
    desk = signed_in(judge)
    for path in ("", f"/{flag.id}"):
        assert desk.delete(f"{URL}{path}").status_code == 405
    for path in ("appeal", "decide"):
        assert desk.get(f"{URL}/{flag.id}/{path}").status_code == 405


def test_two_decisions_and_two_appeals_are_refused_politely(
    flag: Flag, person: User, judge: User, signed_in: SignIn
) -> None:
    phone, desk, url = signed_in(person), signed_in(judge), f"{URL}/{flag.id}"
    first = {"decision": "exclude", "reason": "Too fast."}
    assert [desk.post(f"{url}/decide", first).status_code for _ in range(2)] == [200, 200]
    assert desk.post(f"{url}/decide", {**first, "decision": "accept"}).status_code == 409
    assert [phone.post(f"{url}/appeal", {"text": "No."}).status_code for _ in range(2)] == [200, 200]
    assert phone.post(f"{url}/appeal", {"text": "No!"}).status_code == 409


def test_the_number_of_statements_does_not_grow_with_the_flags(
    flag: Flag, person: User, yesterday: datetime, now: datetime, signed_in: SignIn
) -> None:
    phone, costs = signed_in(person), []
    for ago in (1, 2):
        with CaptureQueriesContext(connection) as asked:
            assert len(phone.get(URL).json()["data"]) == ago
        costs.append(len(asked))
        sync(person, measured(yesterday - timedelta(days=ago), 10_000, 600), now=now)
    assert costs[0] == costs[1]
