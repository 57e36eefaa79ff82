"""GET /api/v1/prizes/statement/{competition_id}, its public key, and the script that checks it without the server."""

import base64
import json
import random
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from competitions.models import Competition
from config.core.json import canonical_json
from leaderboards.settling import correct_standings
from prizes import plans
from prizes.actors import Actor
from prizes.allocation import Finisher, Leftover, allocate
from prizes.models import Transfer
from prizes.services.distribution import award_prizes, distribute_prizes
from tests.conftest import MakeCompetition, MakePerson
from tests.prizes.conftest import MakeFinished, connect_accounts, run_jobs

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], APIClient]
SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "check_statement.py"
KEY_URL = "/.well-known/pacesetter-statement-key.pem"
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def url(competition: Competition) -> str:
    return f"/api/v1/prizes/statement/{competition.id}"


Distribute = Callable[[Competition], None]
Check = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def me(person: User, signed_in: SignIn) -> APIClient:
    return signed_in(person)


@pytest.fixture
def distribute(treasurer: User, now: datetime) -> Distribute:
    def all_the_way(competition: Competition) -> None:
        if not Transfer.objects.exists():
            connect_accounts(competition)
        distribute_prizes(competition_id=competition.id, actor=Actor(treasurer), now=now)
        assert run_jobs() == []

    return all_the_way


@pytest.fixture
def settled(make_finished: MakeFinished, distribute: Distribute) -> Competition:
    """A public one with three winners and somebody who won nothing, all paid."""
    competition = make_finished(90, 80, 70, 0, visibility="public")
    distribute(competition)
    return competition


@pytest.fixture
def check(anonymous: APIClient, tmp_path: Path) -> Check:
    """Runs the script with the public key from where it is published: in this process, which is fast, or ``apart``, as
    a stranger would."""

    def run(signed: Any, pem: bytes | None = None, *, apart: bool = False) -> "subprocess.CompletedProcess[str]":
        statement, key = tmp_path / "statement.json", tmp_path / "key.pem"
        statement.write_bytes(signed if isinstance(signed, bytes) else json.dumps(signed).encode())
        key.write_bytes(pem or anonymous.get(KEY_URL).content)
        if not apart:
            return run_here(str(statement), str(key))
        return subprocess.run(
            [sys.executable, "-I", str(SCRIPT), str(statement), str(key)], capture_output=True, text=True, check=False
        )

    return run


def run_here(*arguments: str) -> "subprocess.CompletedProcess[str]":
    said, complained, code = StringIO(), StringIO(), 0
    with redirect_stdout(said), redirect_stderr(complained), patch.object(sys, "argv", [str(SCRIPT), *arguments]):
        try:
            runpy.run_path(str(SCRIPT))
        except SystemExit as end:  # as the interpreter does: a sentence goes to standard error
            sys.stderr.write(f"{end.code}\n")
            code = 1
    return subprocess.CompletedProcess([str(SCRIPT), *arguments], code, said.getvalue(), complained.getvalue())


def assert_right(checked: "subprocess.CompletedProcess[str]") -> list[str]:
    assert checked.returncode == 0, checked.stderr
    lines = checked.stdout.splitlines()
    assert lines[-1].startswith("Right: ")
    return lines[:-1]


def assert_wrong(checked: "subprocess.CompletedProcess[str]") -> str:
    assert checked.returncode != 0
    assert "Right" not in checked.stdout
    assert re.fullmatch(r"WRONG: .+\.\n", checked.stderr), checked.stderr
    return checked.stderr


def resigned(statement: Any) -> dict[str, Any]:
    """As a server would that has the key and lies."""
    signature = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).sign(canonical_json(statement).encode())
    return {"statement": statement, "key_id": "x", "signature": base64.b64encode(signature).decode()}


# --- Who sees what ----------------------------------------------------------------------------------------------------


def test_the_owner_gets_all_of_it(me: APIClient, settled: Competition) -> None:
    answer = me.get(url(settled))
    assert answer.status_code == 200, answer.content
    statement = answer.json()["data"]["statement"]
    winner, transfer = settled.participants.get(user__name="Walker 1").user, Transfer.objects.get(amount_minor=6000)
    assert (statement["format"], statement["redacted"]) == ("pacesetter-statement/1", False)
    assert statement["competition"] == str(settled.id)
    assert json.loads(statement["standings"]["document"])["standings"][0]["user_id"] == str(winner.id)
    assert statement["awards"].items() >= {"pool_minor": 10_000, "kept_minor": 0, "currency": "USD"}.items()
    assert statement["awards"]["plan"] == plans.DEFAULT
    assert statement["awards"]["awards"][0] == {"person": str(winner.id), "rank": 1, "amount_minor": 6000}
    assert statement["transfers"][0].items() >= {"state": "paid", "key": transfer.key, "version": 1}.items()
    assert str(winner.name) not in answer.content.decode()


def test_everybody_sees_that_of_a_public_competition_without_who(
    anonymous: APIClient, other: User, signed_in: SignIn, settled: Competition
) -> None:
    answer = anonymous.get(url(settled))
    assert answer.status_code == 200, answer.content
    text, statement = answer.content.decode(), answer.json()["data"]["statement"]
    assert set(UUID_TEXT.findall(text)) == {str(settled.id)}
    assert "Walker" not in text
    for transfer in Transfer.objects.all():
        assert transfer.key not in text
        assert transfer.reference
        assert transfer.reference not in text
    assert statement["redacted"] is True
    assert statement["standings"].keys() == {"number", "sha256", "rows"}
    assert statement["standings"]["rows"][0] == {"person": 1, "rank": 1, "score": 90}
    assert statement["transfers"][0].keys() == {"person", "version", "amount_minor", "currency", "state", "paid_at"}
    assert signed_in(other).get(url(settled)).json()["data"] == answer.json()["data"]


def test_staff_and_treasurers_get_all_of_it(
    settled: Competition, treasurer: User, make_person: MakePerson, signed_in: SignIn
) -> None:
    clerk = make_person("Clerk", is_staff=True)
    assert signed_in(clerk).get(url(settled)).json()["data"]["statement"]["redacted"] is True
    clerk.user_permissions.add(Permission.objects.get(codename="view_transfer"))
    assert signed_in(clerk).get(url(settled)).json()["data"]["statement"]["redacted"] is False
    assert signed_in(treasurer).get(url(settled)).json()["data"]["statement"]["redacted"] is False


@pytest.mark.parametrize("visibility", ["open", "private"])
def test_that_of_any_other_competition_is_hidden(
    make_finished: MakeFinished,
    distribute: Distribute,
    me: APIClient,
    other: User,
    anonymous: APIClient,
    signed_in: SignIn,
    visibility: str,
) -> None:
    competition = make_finished(9, visibility=visibility)
    distribute(competition)
    winner = competition.participants.get().user
    clients = [anonymous, signed_in(other), signed_in(winner)]
    assert [client.get(url(competition)).status_code for client in clients] == [404, 404, 404]
    assert me.get(url(competition)).status_code == 200


def test_before_prizes_are_awarded_there_is_none(
    me: APIClient, anonymous: APIClient, make_competition: MakeCompetition, make_finished: MakeFinished
) -> None:
    draft = make_competition(visibility="public", published=False)
    for competition in (make_competition(visibility="public"), make_finished(9, visibility="public"), draft):
        assert [client.get(url(competition)).status_code for client in (me, anonymous)] == [404, 404]


def test_awarded_and_not_paid_it_has_no_transfers(
    me: APIClient, make_finished: MakeFinished, check: Check, now: datetime
) -> None:
    competition = make_finished(9, 8)
    award_prizes(competition_id=competition.id, now=now)
    signed = me.get(url(competition)).json()["data"]
    assert (signed["statement"]["transfers"], len(signed["statement"]["awards"]["awards"])) == ([], 2)
    assert all(line.endswith(" won, 0 paid") for line in assert_right(check(signed)))


@pytest.mark.parametrize("named", ["x", "00000000-0000-0000-0000-000000000000", "%00"])
def test_an_id_that_names_nothing_is_a_404(me: APIClient, anonymous: APIClient, named: str) -> None:
    path = f"/api/v1/prizes/statement/{named}"
    assert [me.get(path).status_code, anonymous.get(path).status_code] == [404, 404]


def test_a_wrong_token_is_a_401_and_other_verbs_are_a_405(anonymous: APIClient, settled: Competition) -> None:
    assert anonymous.post(url(settled)).status_code == 405
    assert anonymous.get(url(settled), headers={"authorization": "Bearer nonsense"}).status_code == 401


def test_without_a_key_there_is_a_503_that_says_why(me: APIClient, settled: Competition, settings: Any) -> None:
    settings.STATEMENT_KEY = b""
    for path in (url(settled), KEY_URL):
        answer = me.get(path)
        assert (answer.status_code, "STATEMENT_KEY" in answer.json()["message"]) == (503, True)


@pytest.mark.slow
def test_the_number_of_statements_does_not_grow_with_the_winners(
    me: APIClient, make_finished: MakeFinished, distribute: Distribute
) -> None:
    plan = {"places": [{"first": 1, "last": 20, "percent": "5"}]}
    counts = []
    for scores in ((2, 1), range(20, 0, -1)):
        competition = make_finished(*scores, plan=plan)
        distribute(competition)
        with CaptureQueriesContext(connection) as asked:
            assert me.get(url(competition)).status_code == 200
        counts.append(len(asked.captured_queries))
    assert counts[0] == counts[1]


# --- The signature ----------------------------------------------------------------------------------------------------


def test_the_public_key_is_there_for_everybody(anonymous: APIClient) -> None:
    answer = anonymous.get(KEY_URL)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/x-pem-file")
    assert load_pem_public_key(answer.content) == Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    assert anonymous.post(KEY_URL).status_code == 405


def test_what_is_signed_is_canonical_and_holds_no_fraction(me: APIClient, settled: Competition) -> None:
    def refuse(text: str) -> float:
        raise AssertionError(f"{text} is a fraction")

    signed = json.loads(me.get(url(settled)).content, parse_float=refuse)["data"]
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    key.verify(base64.b64decode(signed["signature"]), canonical_json(signed["statement"]).encode())
    assert me.get(url(settled)).json()["data"] == signed, "Ed25519 signs the same text the same way"


# --- The script -------------------------------------------------------------------------------------------------------


def test_it_fits_on_a_page() -> None:
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 120


PERCENTS = plans.DEFAULT["places"]
FIXED = [{"first": 1, "last": 1, "amount_minor": 5000}, {"first": 2, "last": 4, "amount_minor": 1001}]


@pytest.mark.slow
@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize(
    ("scores", "plan", "fields", "won"),
    [
        ((90, 80, 70, 60), {}, {}, [6000, 3000, 1000]),
        ((90,), {}, {}, [10_000]),
        ((90, 80), {"leftover": "roll_over"}, {}, [6000, 3000]),
        ((90, 80, 0), {"leftover": "return"}, {}, [6000, 3000]),
        ((90, 80, 80, 70), {}, {"tie_rule": "shared"}, [6000, 2000, 2000]),
        ((90, 80, 70, 70, 70), {}, {"tie_rule": "shared"}, [6000, 3000, 334, 333, 333]),
        ((90, 90), {"leftover": "roll_over"}, {"tie_rule": "shared"}, [4500, 4500]),
        ((90, 80, 70, 60), {"places": FIXED}, {}, [5000, 1001, 1001, 1001]),
        ((90, 80), {"places": FIXED}, {}, [6668, 1335]),
        ((90, 80), {"places": FIXED, "leftover": "roll_over"}, {}, [5000, 1001]),
        ((90, 80, 70, 60), {"places": [], "target": 70}, {}, [3334, 3333, 3333]),
        ((90, 80), {"places": [], "target": 100}, {}, []),
        ((90, 80), {"places": [{"first": 1, "last": 2, "percent": "33.333333"}]}, {"currency": "JPY"}, [3333, 3333]),
        ((90, 80), {}, {"pool": 0}, []),
        ((0, 0), {}, {}, []),
        ((), {}, {}, []),
    ],
)
def test_a_statement_about_any_plan_is_right(
    me: APIClient,
    anonymous: APIClient,
    make_finished: MakeFinished,
    distribute: Distribute,
    check: Check,
    settings: Any,
    public: bool,
    scores: tuple[int, ...],
    plan: dict[str, Any],
    fields: dict[str, Any],
    won: list[int],
) -> None:
    settings.APPROVAL_OVER = {}
    competition = make_finished(*scores, plan=plan, visibility="public", **fields)
    distribute(competition)
    answer = (anonymous if public else me).get(url(competition))
    lines = assert_right(check(answer.content))
    assert [re.findall(r": (\d+) minor units \(...\) won, (\d+) paid$", line) for line in lines] == [
        [(str(amount), str(amount))] for amount in won
    ]
    assert answer.json()["data"]["statement"]["redacted"] is public


def test_the_envelope_may_be_there_or_not(me: APIClient, settled: Competition, check: Check) -> None:
    body = me.get(url(settled)).json()
    assert assert_right(check(body)) == assert_right(check(body["data"]))


@pytest.mark.slow
def test_a_correction_shows_what_was_paid_for_every_version(
    me: APIClient,
    anonymous: APIClient,
    make_finished: MakeFinished,
    distribute: Distribute,
    treasurer: User,
    check: Check,
    now: datetime,
) -> None:
    competition = make_finished(90, 80, 70, visibility="public", plan={"leftover": "return"})
    distribute(competition)
    third = competition.participants.get(user__name="Walker 3").user
    correct_standings(
        competition_id=competition.id, by=treasurer, reason="Ein Fahrrad – “\u2028”", disqualify=[third.id], now=now
    )
    distribute(competition)
    full, public = me.get(url(competition)).json()["data"], anonymous.get(url(competition)).json()["data"]
    assert full["statement"]["awards"]["version"] == 2
    assert [transfer["version"] for transfer in full["statement"]["transfers"]] == [1, 1, 1]
    assert len(assert_right(check(full))) == 3
    assert [transfer["person"] for transfer in public["statement"]["transfers"]] == [1, 2, None]
    assert "None: 0 minor units (USD) won, 1000 paid" in assert_right(check(public))
    assert str(third.id) not in json.dumps(public)


def _first(name: str, part: str) -> Callable[[Any], None]:
    def change(statement: Any) -> None:
        row = statement[part]["awards"] if part == "awards" else statement[part]
        row = row["rows"] if part == "standings" else row
        row[0][name] = "someone" if isinstance(row[0][name], str) else row[0][name] + 1

    return change


def _document(statement: Any) -> None:
    statement["standings"]["document"] = statement["standings"]["document"].replace('"score":90', '"score":91')


def _plan(statement: Any) -> None:
    statement["awards"]["plan"]["places"][0]["percent"] = "61"


def _pool(statement: Any) -> None:
    statement["awards"]["pool_minor"] += 1


def _kept(statement: Any) -> None:
    statement["awards"]["kept_minor"] += 1


def _dropped(statement: Any) -> None:
    statement["transfers"].pop()


CHANGES = [
    (True, _first("score", "standings")),
    (True, _first("rank", "standings")),
    (False, _document),
    *[
        (public, change)
        for public in (True, False)
        for change in (
            _first("amount_minor", "awards"),
            _first("rank", "awards"),
            _first("person", "awards"),
            _first("amount_minor", "transfers"),
            _first("state", "transfers"),
            _first("paid_at", "transfers"),
            _plan,
            _pool,
            _kept,
            _dropped,
        )
    ],
]


def test_whatever_is_changed_afterwards_is_wrong(
    me: APIClient, anonymous: APIClient, settled: Competition, check: Check, subtests: pytest.Subtests
) -> None:
    for number, (public, change) in enumerate(CHANGES):
        with subtests.test(number=number):
            signed = (anonymous if public else me).get(url(settled)).json()["data"]
            change(signed["statement"])
            assert "changed afterwards" in assert_wrong(check(signed))


def test_another_signature_is_wrong(
    me: APIClient, settled: Competition, check: Check, subtests: pytest.Subtests
) -> None:
    signed = me.get(url(settled)).json()["data"]
    for signature in ("", "AAAA", "no base64", None, "A" * 86 + "=="):
        with subtests.test(signature=signature):
            assert_wrong(check(signed | {"signature": signature}))
    del signed["signature"]
    assert_wrong(check(signed))


def test_another_key_is_wrong(me: APIClient, settled: Competition, check: Check) -> None:
    signed = me.get(url(settled)).json()["data"]
    stranger = Ed25519PrivateKey.generate().public_key()
    assert_wrong(check(signed, stranger.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)))
    assert_wrong(check(signed, b"no key"))


LIES = [
    (False, _document, "same standings"),
    (True, _first("rank", "standings"), "awards"),
    (True, _first("amount_minor", "awards"), "awards"),
    (True, _first("rank", "awards"), "awards"),
    (True, _first("person", "awards"), "awards"),
    (False, _plan, "awards"),
    (False, _kept, "sum"),
    (True, lambda statement: statement["standings"]["rows"].reverse(), "more points"),
]


def test_a_server_that_lies_is_found_out_too(
    me: APIClient, anonymous: APIClient, settled: Competition, check: Check, subtests: pytest.Subtests
) -> None:
    for number, (public, change, complaint) in enumerate(LIES):
        with subtests.test(number=number):
            statement = (anonymous if public else me).get(url(settled)).json()["data"]["statement"]
            assert_right(check(resigned(statement)))
            change(statement)
            assert complaint in assert_wrong(check(resigned(statement)))


def random_case(chance: random.Random) -> tuple[int, plans.Document, bool, list[dict[str, int]]]:
    """A pool, a plan, whether ties share, and a board of up to 30 rows, best first."""
    shared, count = chance.random() < 0.5, chance.randint(0, 30)
    scores = sorted((chance.choice([0, 1, 2, 3, 5, 8, chance.randint(0, 10**6)]) for _ in range(count)), reverse=True)
    ranks = [1 + sum(other > one for other in scores) if shared else place for place, one in enumerate(scores, 1)]
    rows = [
        {"person": place, "rank": rank, "score": score}
        for place, (rank, score) in enumerate(zip(ranks, scores, strict=True), 1)
    ]
    kind, pool = chance.choice(["percent", "amount_minor", "target"]), chance.randint(0, 10**7)
    places: list[dict[str, Any]] = []
    place, left = 1, Fraction(100)
    while kind == "percent" and left > 0 and len(places) < 6:
        last = place + chance.choice([0, 0, 1, 4])
        percent = min(Fraction(chance.randint(0, 40_000_000), 10**6), left / (last - place + 1))
        text = plans.percent_text(Decimal(int(percent * 10**6)).scaleb(-6))
        places.append({"first": place, "last": last, "percent": text})
        left -= Fraction(text) * (last - place + 1)
        place = last + chance.choice([1, 1, 3])
    rest = pool
    while kind == "amount_minor" and len(places) < 6 and (not places or chance.random() < 0.7):
        last = place + chance.choice([0, 0, 2])
        each = chance.randint(0, rest // (last - place + 1))
        places.append({"first": place, "last": last, "amount_minor": each})
        rest, place = rest - each * (last - place + 1), last + chance.choice([1, 2])
    leftover = chance.choice(list(Leftover)).value
    target = chance.choice([1, 3, 9]) if kind == "target" else None
    return pool, plans.DEFAULT | {"places": places, "target": target, "leftover": leftover}, shared, rows


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_the_script_and_the_server_agree_on_random_plans_and_boards(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anonymous: APIClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, because 600 of its own would take minutes."""
    chance, paths = random.Random(seed), [str(tmp_path / "statement.json"), str(tmp_path / "key.pem")]
    Path(paths[1]).write_bytes(anonymous.get(KEY_URL).content)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *paths])
    for _ in range(100):
        pool, document, shared, rows = random_case(chance)
        finishers = [Finisher(UUID(int=row["person"]), row["rank"], row["score"]) for row in rows]
        allocation = allocate(pool, plans.plan_of(document, ties_share=shared), finishers)
        awards = [
            {"person": award.user_id.int, "rank": award.rank, "amount_minor": award.amount_minor}
            for award in allocation.awards
        ]
        statement = {
            "standings": {"rows": rows},
            "awards": {
                "plan": document,
                "ties_share": shared,
                "currency": "USD",
                "pool_minor": pool,
                "kept_minor": allocation.kept_minor,
                "awards": awards,
            },
            "transfers": [],
        }
        Path(paths[0]).write_text(json.dumps(resigned(statement)), encoding="utf-8")
        try:
            runpy.run_path(str(SCRIPT))
        except SystemExit as wrong:
            pytest.fail(f"{wrong} {json.dumps(statement)}")
        assert capsys.readouterr().out.endswith("and their sum.\n")
