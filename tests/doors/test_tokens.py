"""Forged, borrowed and worn-out tokens, at every kind of door: each is told the same, to the last byte.

What one claim or another does to a token is in tests/accounts/test_tokens.py; here all of them go everywhere.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import digest
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as django_settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.models import User
from accounts.services.people import erase_person
from competitions.models import Competition
from leaderboards.tickets import board_ticket, one_time_ticket
from tests.accounts.conftest import EC_KEY, RSA_KEY, SHARED_SECRET, Project, listed, supabase
from tests.asking import ask_server, bearer, new_process
from tests.doors.sockets import closing_code

__all__ = ["supabase"]

PROFILE = "/api/v1/users/me/profile"
REQUEST_ID = "the-same-request"
NOW = datetime.now(UTC)
SQL = "' UNION SELECT 'x' --"

KIDS: tuple[Any, ...] = ("../../dev/null", "/dev/null", SQL, "\0", "elliptic\0", "x" * 5000, "", 7, None, {}, "\ud800")

Forgeries = dict[str, str]


# --- By hand: no library makes such tokens ---


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value, default=lambda at: int(at.timestamp())).encode()
    return urlsafe_b64encode(text).decode().rstrip("=")


def signed(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    """HS256, whatever the header says."""
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{part(digest(secret, text.encode(), sha256))}"


def public_bytes(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, kid: str) -> dict[str, bytes]:
    public = key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {"PEM": pem, "DER": der, "JWK": json.dumps(listed(kid, key)).encode()}


def anybodys(issuers: Mapping[str, Mapping[str, Any]], project: Project) -> Forgeries:
    """Of good claims, but without any key of ours."""
    made: Forgeries = {}
    own = ec.generate_private_key(ec.SECP256R1())
    mine = {**listed("mine", own), "x5c": ["AAAA"]}
    for name, claims in issuers.items():
        for spelling in ("none", "None", "NONE", "nOnE", "", " none", "none\0", None, 0, ["none"]):
            header = {"alg": spelling, "typ": "JWT", "kid": "elliptic"}
            made[f"{name}: alg {spelling!r}"] = f"{part(header)}.{part(claims)}."
            made[f"{name}: alg {spelling!r} with a signature"] = signed(header, claims, b"")
        for kid, key in (("elliptic", EC_KEY), ("rivest", RSA_KEY)):
            for form, secret in public_bytes(key, kid).items():
                made[f"{name}: {form} of {kid} as the secret"] = signed({"alg": "HS256", "kid": kid}, claims, secret)
        for named in KIDS:
            what = f"{name}: kid {str(named)[:20]!r}"
            made[what] = signed({"alg": "HS256", "kid": named}, claims, b"")
            made[f"{what} by ES256"] = f"{part({'alg': 'ES256', 'kid': named})}.{part(claims)}.AAAA"
        elsewhere = f"{project.url}/mine"
        brought: dict[str, Any] = {"jwk": mine, "jku": elsewhere, "x5u": elsewhere, "x5c": ["AA"]}
        for what, value in brought.items():
            header = {"kid": "elliptic", what: value}
            made[f"{name}: brings its {what}"] = jwt.encode(dict(claims), own, "ES256", headers=header)
    return made


WORN_OUT: tuple[tuple[str, Any], ...] = (
    ("exp", int(NOW.timestamp()) - 60),
    ("exp", "tomorrow"),
    ("exp", ...),
    ("nbf", int(NOW.timestamp()) + 3600),
    ("iat", int(NOW.timestamp()) + 3600),
    ("aud", "anon"),
    ("aud", ...),
    ("iss", "https://elsewhere.example.org/auth/v1"),
    ("iss", ...),
    ("sub", "1 OR 1=1"),
    ("sub", ...),
)


def worn_out(claims: Mapping[str, Any], sign: Callable[[Mapping[str, Any]], str], name: str) -> Forgeries:
    """By the right key, but saying what no token of ours says; ``...``: not even that."""
    made = {}
    for claim, value in WORN_OUT:
        said = {key: found for key, found in {**claims, claim: value}.items() if found is not ...}
        made[f"{name}: {claim} {value}"] = sign(said)
    return made


def by_secret(claims: Mapping[str, Any], secret: bytes, **header: Any) -> str:
    return signed({"alg": "HS256", "typ": "JWT", **header}, claims, secret)


def by_curve(claims: Mapping[str, Any]) -> str:
    """ES256 by the project's own key, over claims that no library would sign."""
    text = f"{part({'alg': 'ES256', 'kid': 'elliptic'})}.{part(claims)}"
    algorithm = jwt.get_algorithm_by_name("ES256")
    return f"{text}.{part(algorithm.sign(text.encode(), EC_KEY))}"


NOT_A_NUMBER = b'{"iss": NaN}'
ODD = {
    "nothing": "",
    "one word": "x",
    "four parts": "a.b.c.d",
    "dots": "...",
    "padding": "eyJhbGciOiJIUzI1NiJ9==.e30=.",
    "standard base64": "eyJhbGciOiJIUzI1NiJ9+/.e30.AA+/",
    "huge": "x" * 9_000,
    "huge and almost a token": f"{part({'alg': 'HS256', 'fill': 'x' * 20_000})}.e30.AAAA",
    "nested": f"{part(b'[' * 3000)}.{part(b'[' * 3000)}.AAAA",
    "a list": f"{part([])}.{part([])}.AAAA",
    "no object": f"{part({'alg': 'HS256'})}.{part(7)}.AAAA",
    "NaN": f"{part({'alg': 'HS256'})}.{part(NOT_A_NUMBER)}.AAAA",
}


@pytest.fixture
def board(transactional_db: None, person: User, make_competition: Any, join: Any) -> Competition:
    competition: Competition = make_competition(visibility="private", owner=person)
    join(competition, person)
    return competition


@pytest.fixture
def forgeries(board: Competition, supabase: Project, person: User, make_person: Any) -> Forgeries:
    inactive, erased = make_person("Gone", is_active=False), make_person("Erased")
    left = {name: str(AccessToken.for_user(one)) for name, one in (("inactive", inactive), ("erased", erased))}
    erase_person(user_id=erased.id, now=NOW)
    refresh = RefreshToken.for_user(person)
    local = {**AccessToken.for_user(person).payload, "iss": "pacesetter", "aud": "authenticated"}
    theirs = supabase.claims()
    secret = str(django_settings.SIMPLE_JWT["SIGNING_KEY"]).encode()
    shared, until = SHARED_SECRET.encode(), NOW + timedelta(hours=1)
    roles = ("service_role", "anon", None, "", ["authenticated"])
    critical: tuple[Any, ...] = (["exp"], ["x"], [], "x", None, ["b64"])
    return {
        **ODD,
        **left,
        **anybodys({"ours": local, "Supabase's": theirs}, supabase),
        **worn_out(local, lambda claims: by_secret(claims, secret), "ours"),
        **worn_out(theirs, lambda claims: by_secret(claims, shared), "Supabase's by HS256"),
        **worn_out(theirs, by_curve, "Supabase's by ES256"),
        **{f"role {role}": by_curve({**theirs, "role": role}) for role in roles},
        **{f"ours: crit {names}": by_secret(local, secret, crit=names) for names in critical},
        **{f"Supabase's: crit {names}": by_secret(theirs, shared, crit=names) for names in critical},
        "ours by Supabase's secret": by_secret(local, shared),
        "Supabase's by our secret": by_secret(theirs, secret),
        "a person of ours as Supabase's": by_curve({**theirs, "sub": str(person.id)}),
        "refresh as access": str(refresh),
        "a one-time ticket": one_time_ticket(person, until, NOW).text,
        "a board's ticket": board_ticket(person, board.id, until, NOW).text,
    }


def test_the_hand_that_forges_could_sign_a_good_one(person: User, supabase: Project) -> None:
    """Or what follows would prove nothing."""
    local = {**AccessToken.for_user(person).payload, "iss": "pacesetter", "aud": "authenticated"}
    secret = str(django_settings.SIMPLE_JWT["SIGNING_KEY"]).encode()
    good = (by_secret(local, secret), by_secret(supabase.claims(), SHARED_SECRET.encode()), by_curve(supabase.claims()))
    for token in good:
        assert APIClient().get(PROFILE, HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 200


@pytest.mark.slow
def test_there_is_nothing_to_tell_one_bad_token_from_another_by(forgeries: Forgeries, supabase: Project) -> None:
    before = User.objects.count()
    told: dict[tuple[int, bytes, tuple[tuple[str, str], ...]], str] = {}
    for name, token in forgeries.items():
        header = token.encode("utf-8", "replace").decode("latin-1")
        answer = APIClient().get(PROFILE, HTTP_AUTHORIZATION=f"Bearer {header}", HTTP_X_REQUEST_ID=REQUEST_ID)
        headers = tuple(sorted(answer.headers.items()))
        told.setdefault((answer.status_code, answer.content, headers), name)
    assert len(told) == 1, list(told.values())
    [(status, body, _)] = told
    assert status == 401
    assert json.loads(body)["message"] == "A valid access token is needed."
    assert User.objects.count() == before
    assert len(supabase.asked) <= 1, "forged ids of keys cost one request in thirty seconds"
    assert {asked["path"] for asked in supabase.asked} <= {"/auth/v1/.well-known/jwks.json"}, "and nobody's own address"


@pytest.mark.slow
async def test_the_fast_path_streams_and_sockets_tell_them_nothing_else(
    forgeries: Forgeries, board: Competition, supabase: Project, person: User
) -> None:
    page = f"/api/v1/leaderboard/{board.id}"
    ours = {"X-Request-ID": REQUEST_ID}
    told: set[tuple[int, bytes]] = set()
    codes: dict[int, str] = {}
    async with new_process():
        for name, token in forgeries.items():
            text = token.encode("utf-8", "replace").decode("latin-1")
            if not text.isprintable() or len(text) > 8_000:
                continue  # no HTTP client can send it, no server takes it
            for path in (page, f"{page}/stream"):
                answer = await ask_server(path, headers={**ours, "Authorization": f"Bearer {text}"})
                told.add((answer.status_code, answer.content))
            code = await closing_code(f"/ws/leaderboard/{board.id}", protocols=["bearer", text])
            codes.setdefault(code, name)
        for path in (f"/ws/leaderboard/{board.id}", "/ws/fitness"):
            for name in ("ours: alg 'none'", "refresh as access", "inactive", "erased", "a board's ticket"):
                codes.setdefault(await closing_code(f"{path}?token={forgeries[name]}"), f"{path} {name}")
        good = await closing_code(f"/ws/leaderboard/{board.id}?token={bearer(person)['Authorization'][7:]}")
    assert {status for status, _ in told} == {401}
    assert len({body for _, body in told}) == 1
    assert codes.keys() == {4401}, codes
    assert good == 0, "the door itself is open"


def test_a_token_is_no_ticket_and_an_access_token_renews_nothing(
    board: Competition, person: User, supabase: Project
) -> None:
    access = str(AccessToken.for_user(person))
    for body in ({"ticket": access}, {"ticket": str(RefreshToken.for_user(person))}):
        assert APIClient().post("/api/v1/auth/ticket", body).status_code == 401
    refused = {
        APIClient().post("/api/v1/auth/token/refresh", {"refresh": token}, HTTP_X_REQUEST_ID=REQUEST_ID).content
        for token in (access, supabase.token(sub=str(person.id)), "x", part({"alg": "none"}) + ".e30.")
    }
    assert len(refused) == 1
    assert json.loads(refused.pop())["code"] == 401


def test_who_logged_out_renews_nothing(person: User) -> None:
    refresh = {"refresh": str(RefreshToken.for_user(person))}
    assert APIClient().post("/api/v1/auth/logout", refresh).status_code == 200
    assert APIClient().post("/api/v1/auth/token/refresh", refresh).status_code == 401


def test_somebody_who_is_deactivated_or_erased_is_out_at_once_everywhere(
    person: User, other: User, signed_in: Callable[[User], APIClient]
) -> None:
    phones = [signed_in(person), signed_in(other)]
    assert [phone.get(PROFILE).status_code for phone in phones] == [200, 200]
    User.objects.filter(id=person.id).update(is_active=False)
    erase_person(user_id=other.id, now=NOW)
    assert [phone.get(PROFILE).status_code for phone in phones] == [401, 401]


@pytest.mark.slow
def test_a_hundred_forged_keys_ask_nobody_a_hundred_times(supabase: Project, db: None) -> None:
    for n in range(100):
        forged = jwt.encode(supabase.claims(), EC_KEY, "ES256", headers={"kid": uuid4().hex})
        assert APIClient().get(PROFILE, HTTP_AUTHORIZATION=f"Bearer {forged}").status_code == 401, n
    assert len(supabase.asked) == 1


def test_a_session_opens_no_api_and_a_token_no_page(person: User) -> None:
    """Which is why the API needs no CSRF token, and why no other site's page can act on it."""
    browser = APIClient()
    browser.force_login(person, backend="accounts.backends.LimitedModelBackend")
    assert browser.get(PROFILE).status_code == 401
    phone = APIClient()
    phone.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(person)}")
    assert phone.get("/my-day").headers["Location"].startswith("/sign-in")
