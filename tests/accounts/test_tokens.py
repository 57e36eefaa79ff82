"""Which tokens prove who is calling: this server's own and Supabase's."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import digest
from threading import Barrier
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as django_settings
from django.db import connection
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts import tokens
from accounts.models import IdentityProvider, User
from accounts.services.people import register_person
from config.core.environment import DEVELOPMENT_SECRET
from tests.accounts.conftest import EC_KEY, RSA_KEY, SHARED_SECRET, Project, listed

URL = "/api/v1/users/me/profile"
NOW = datetime.now(UTC)
pytestmark = pytest.mark.django_db

Sign = Callable[..., str]


@pytest.fixture(params=["token", "token_by_rsa", "token_by_secret"])
def sign(request: pytest.FixtureRequest, supabase: Project) -> Sign:
    """Each way in which a project may sign: ES256, RS256, HS256."""
    signs: Sign = getattr(supabase, request.param)
    return signs


def ask(token: str) -> Any:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client.get(URL)


def refused(token: str) -> bool:
    before = User.objects.count()
    answer = ask(token)
    assert User.objects.count() == before, "a token that proves nothing made a person"
    if answer.status_code == 401:
        assert answer.json()["message"] == "A valid access token is needed."
    return bool(answer.status_code == 401)


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    def part(value: dict[str, Any]) -> str:
        return (
            urlsafe_b64encode(json.dumps(value, default=lambda at: int(at.timestamp())).encode()).decode().rstrip("=")
        )

    return f"{part(header)}.{part(claims)}."


# --- Supabase ---------------------------------------------------------------------------------------------------------


def test_the_first_valid_token_makes_the_person_under_its_subject(sign: Sign) -> None:
    subject = str(uuid4())
    answer = ask(sign(sub=subject))
    assert answer.status_code == 200
    assert (answer.json()["data"]["id"], answer.json()["data"]["email"]) == (subject, "walker@example.org")
    person = User.objects.get(id=subject)
    assert person.identity_provider == IdentityProvider.SUPABASE
    assert not person.has_usable_password()
    assert ask(sign(sub=subject)).status_code == 200
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"exp": NOW - timedelta(minutes=1)}, id="expired"),
        pytest.param({"exp": ...}, id="no exp"),
        pytest.param({"nbf": NOW + timedelta(hours=1)}, id="not yet valid"),
        pytest.param({"aud": "anon"}, id="another audience"),
        pytest.param({"aud": ...}, id="no audience"),
        pytest.param({"iss": "https://elsewhere.supabase.co/auth/v1"}, id="another issuer"),
        pytest.param({"iss": ...}, id="no issuer"),
        pytest.param({"sub": "walker-17"}, id="a subject that is no UUID"),
        pytest.param({"sub": ""}, id="an empty subject"),
        pytest.param({"sub": ...}, id="no subject"),
        pytest.param({"role": "service_role"}, id="the service role"),
        pytest.param({"role": "anon"}, id="the anon role"),
        pytest.param({"role": None}, id="a role of null"),
    ],
)
def test_a_token_must_say_all_of_it_and_say_it_right(sign: Sign, claims: dict[str, Any]) -> None:
    assert refused(sign(**claims))


def test_an_issuer_that_only_resembles_ours_is_refused(sign: Sign, supabase: Project) -> None:
    assert refused(sign(iss=supabase.issuer + "/"))
    assert refused(sign(iss=supabase.url))


def test_a_token_without_email_makes_a_person_without_email(sign: Sign) -> None:
    answer = ask(sign(email=...))
    assert answer.status_code == 200
    assert answer.json()["data"]["email"] is None


@pytest.mark.parametrize("email", [17, "", "no address", "x" * 300 + "@example.org", "a\x00@example.org", ["a@b.c"]])
def test_an_unusable_email_is_left_out(sign: Sign, email: Any) -> None:
    answer = ask(sign(email=email))
    assert answer.status_code == 200
    assert answer.json()["data"]["email"] is None


def test_what_people_can_edit_themselves_decides_nothing(sign: Sign, make_person: Callable[..., User]) -> None:
    boss = make_person("Boss", is_staff=True, is_superuser=True)
    theirs = {"sub": str(boss.id), "role": "service_role", "is_staff": True, "name": "Boss", "email": boss.email}
    answer = ask(sign(user_metadata=theirs, name="Boss"))
    data = answer.json()["data"]
    person = User.objects.get(id=data["id"])
    assert person.id != boss.id
    assert (person.is_staff, person.is_superuser) == (False, False)
    assert (person.name, person.email) != ("Boss", boss.email)


def test_a_public_name_never_shows_the_email(sign: Sign) -> None:
    assert "walker@" not in ask(sign(email="secret.person@example.org")).json()["data"]["name"]
    assert "secret" not in User.objects.get().name


def test_sixteen_first_requests_at_once_make_one_person(transactional_db: None, sign: Sign) -> None:
    token, start = sign(), Barrier(16)

    def first(_: int) -> Any:
        start.wait()
        with closing(connection):
            return ask(token).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(first, range(16))) == {200}
    assert User.objects.count() == 1


def test_one_email_here_and_at_supabase_is_two_people(sign: Sign) -> None:
    here = register_person(
        email="walker@example.org", password="plenty-of-walking-today", name="Here", now=datetime.now(UTC)
    )
    there = ask(sign(email="Walker@Example.org"))
    assert there.status_code == 200
    assert there.json()["data"]["id"] != str(here.id)
    assert User.objects.filter(email="walker@example.org").count() == 2


def test_an_id_belongs_to_the_issuer_that_brought_it(sign: Sign, person: User) -> None:
    assert refused(sign(sub=str(person.id)))
    ask(sign(sub=str(theirs := uuid4())))
    assert refused(str(AccessToken.for_user(User.objects.get(id=theirs))))


def test_a_deactivated_person_is_refused(sign: Sign) -> None:
    token = sign()
    assert ask(token).status_code == 200
    User.objects.update(is_active=False)
    assert refused(token)


# --- Forgeries --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("kid", ["elliptic", "rivest", None])
def test_an_unsigned_token_is_refused(supabase: Project, algorithm: str, kid: str | None) -> None:
    assert refused(unsigned({"alg": algorithm, "typ": "JWT", "kid": kid}, supabase.claims()))


def forged_with(secret: bytes, kid: str, claims: dict[str, Any]) -> str:
    """HS256 keyed with something public. By hand: the library refuses to make such a token."""
    signed = unsigned({"alg": "HS256", "typ": "JWT", "kid": kid}, claims).rstrip(".")
    return f"{signed}.{urlsafe_b64encode(digest(secret, signed.encode(), sha256)).decode().rstrip('=')}"


@pytest.mark.parametrize("shared_secret", [SHARED_SECRET, ""])
@pytest.mark.parametrize("kid", ["elliptic", "rivest"])
def test_a_public_key_is_never_taken_for_a_shared_secret(
    supabase: Project, settings: Settings, kid: str, shared_secret: str
) -> None:
    settings.SUPABASE_JWT_SECRET = shared_secret
    key = EC_KEY if kid == "elliptic" else RSA_KEY
    public = key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    jwk = json.dumps(listed(kid, key)).encode()
    for secret in (pem, pem.strip(), der, jwk, b""):
        assert refused(forged_with(secret, kid, supabase.claims()))


def test_the_development_secret_signs_nothing_here(supabase: Project) -> None:
    assert refused(supabase.token_by_secret(DEVELOPMENT_SECRET))


def test_a_token_by_secret_is_refused_where_no_secret_is_configured(supabase: Project, settings: Settings) -> None:
    settings.SUPABASE_JWT_SECRET = ""
    assert refused(supabase.token_by_secret())


def test_the_header_never_chooses_the_verifier(supabase: Project, settings: Settings) -> None:
    """Our own secret signs a token that says Supabase, and Supabase's secret one that says us; neither counts."""
    ours = settings.SIMPLE_JWT["SIGNING_KEY"]
    assert refused(jwt.encode(supabase.claims(), ours, "HS256"))
    local = {"iss": "pacesetter", "token_type": "access", "jti": uuid4().hex}
    assert refused(supabase.token_by_secret(**local))
    assert refused(jwt.encode(supabase.claims(**local), EC_KEY, "ES256", headers={"kid": "elliptic"}))


def test_a_key_that_the_token_brings_along_is_ignored(supabase: Project) -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    for kid in ("elliptic", "mine"):
        headers = {"kid": kid, "jwk": listed("mine", own), "jku": f"{supabase.url}/mine.json"}
        assert refused(jwt.encode(supabase.claims(), own, "ES256", headers=headers))
    assert {asked["path"] for asked in supabase.asked} == {"/auth/v1/.well-known/jwks.json"}


def test_a_key_verifies_its_own_algorithm_only(supabase: Project) -> None:
    assert refused(jwt.encode(supabase.claims(), RSA_KEY, "RS256", headers={"kid": "elliptic"}))
    assert refused(jwt.encode(supabase.claims(), RSA_KEY, "RS512", headers={"kid": "rivest"}))
    assert refused(jwt.encode(supabase.claims(), RSA_KEY, "PS256", headers={"kid": "rivest"}))


@pytest.mark.parametrize(
    "token",
    ["", "x", "a.b.c", "..", "eyJhbGciOiJIUzI1NiJ9", "x" * 9000, "\udcff", "[" * 5000, "é.é.é"],
)
def test_nonsense_is_refused(supabase: Project, token: str) -> None:
    assert refused(token.encode("utf-8", "replace").decode("latin-1"))


def test_a_token_nested_beyond_reason_is_refused(supabase: Project) -> None:
    deep = urlsafe_b64encode(b"[" * 2000 + b"]" * 2000).decode().rstrip("=")
    assert refused(f"{deep}.{deep}.")


# --- Supabase's keys --------------------------------------------------------------------------------------------------


def later(seconds: float) -> None:
    """As if the last fetch had been so much longer ago."""
    tokens._signing_keys._fetched_at -= seconds


def test_keys_are_fetched_once_and_with_the_anon_key(supabase: Project) -> None:
    for _ in range(5):
        assert ask(supabase.token()).status_code == 200
    assert ask(supabase.token_by_rsa()).status_code == 200
    assert supabase.asked == [{"path": "/auth/v1/.well-known/jwks.json", "apikey": "the-anon-key"}]


def test_forged_key_ids_cost_one_request_in_thirty_seconds(supabase: Project) -> None:
    assert ask(supabase.token()).status_code == 200
    for n in range(5):
        assert refused(jwt.encode(supabase.claims(), EC_KEY, "ES256", headers={"kid": f"forged {n}"}))
    assert len(supabase.asked) == 1
    later(31)
    for n in range(5):
        assert refused(jwt.encode(supabase.claims(), EC_KEY, "ES256", headers={"kid": f"forged {n}"}))
    assert len(supabase.asked) == 2


def test_forged_key_ids_all_at_once_cost_one_request(supabase: Project) -> None:
    start = Barrier(8)
    forged = [jwt.encode(supabase.claims(), EC_KEY, "ES256", headers={"kid": f"forged {n}"}) for n in range(8)]

    def verify(token: str) -> None:
        start.wait()
        with pytest.raises(tokens.InvalidToken):
            tokens.verify_token(token)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(verify, forged))
    assert len(supabase.asked) == 1


def test_a_new_key_is_known_after_thirty_seconds_at_most(supabase: Project) -> None:
    assert ask(supabase.token()).status_code == 200
    new = ec.generate_private_key(ec.SECP256R1())
    supabase.answer = {"keys": [listed("new", new), listed("elliptic", EC_KEY)]}
    later(31)
    assert ask(jwt.encode(supabase.claims(), new, "ES256", headers={"kid": "new"})).status_code == 200
    assert ask(supabase.token()).status_code == 200
    assert refused(supabase.token_by_rsa())


def test_known_keys_keep_working_while_the_endpoint_is_down(supabase: Project) -> None:
    assert ask(supabase.token()).status_code == 200
    supabase.down = True
    later(31)
    assert refused(jwt.encode(supabase.claims(), EC_KEY, "ES256", headers={"kid": "forged"}))
    assert len(supabase.asked) == 2
    assert ask(supabase.token()).status_code == 200


def test_a_withdrawn_key_ends_after_ten_minutes(supabase: Project) -> None:
    token = supabase.token()
    assert ask(token).status_code == 200
    supabase.answer = {"keys": [listed("another", EC_KEY)]}
    later(599)
    assert ask(token).status_code == 200
    later(2)
    assert refused(token)


@pytest.mark.parametrize("answer", [None, [], {}, {"keys": None}, {"keys": ["text"]}, {"keys": [{"kty": "EC"}]}, "x"])
def test_a_list_of_keys_that_makes_no_sense_is_no_server_error(supabase: Project, answer: Any) -> None:
    supabase.answer = answer
    assert refused(supabase.token())


def test_one_unusable_key_does_not_hide_the_others(supabase: Project) -> None:
    broken = {**listed("broken", EC_KEY), "x": "!!"}
    unknown = {"kty": "OKP", "kid": "odd", "crv": "Ed25519", "x": "AA"}
    supabase.answer = {"keys": [broken, unknown, listed("elliptic", EC_KEY)]}
    assert ask(supabase.token()).status_code == 200


def test_a_token_that_names_no_key_is_refused(supabase: Project) -> None:
    for header in ({"alg": "ES256"}, {"alg": "ES256", "kid": 17}, {"alg": "ES256", "kid": ["elliptic"]}):
        assert refused(unsigned(header, supabase.claims()) + "AAAA")


# --- This server's own ------------------------------------------------------------------------------------------------


def local(person: User, **changes: Any) -> str:
    claims = AccessToken.for_user(person).payload | {"iss": "pacesetter", "aud": "authenticated"} | changes
    kept = {name: value for name, value in claims.items() if value is not ...}
    return jwt.encode(kept, str(django_settings.SIMPLE_JWT["SIGNING_KEY"]), "HS256")


def test_an_access_token_of_ours_is_accepted(person: User) -> None:
    assert ask(local(person)).json()["data"]["id"] == str(person.id)


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"exp": int(NOW.timestamp()) - 60}, id="expired"),
        pytest.param({"exp": ...}, id="no exp"),
        pytest.param({"iss": "elsewhere"}, id="another issuer"),
        pytest.param({"iss": ...}, id="no issuer"),
        pytest.param({"aud": "elsewhere"}, id="another audience"),
        pytest.param({"aud": ...}, id="no audience"),
        pytest.param({"token_type": "refresh"}, id="another type"),
        pytest.param({"token_type": ...}, id="no type"),
        pytest.param({"sub": "17"}, id="a subject that is no UUID"),
        pytest.param({"sub": ...}, id="no subject"),
    ],
)
def test_a_token_of_ours_must_say_all_of_it_and_say_it_right(person: User, claims: dict[str, Any]) -> None:
    assert refused(local(person, **claims))


def test_a_refresh_token_opens_no_door(person: User) -> None:
    assert refused(str(RefreshToken.for_user(person)))


def test_a_subject_of_ours_that_nobody_has_makes_no_person(person: User) -> None:
    assert refused(local(person, sub=str(uuid4())))


def test_a_deactivated_person_of_ours_is_refused(person: User) -> None:
    token = local(person)
    User.objects.update(is_active=False)
    assert refused(token)


def test_a_token_of_ours_signed_with_something_else_is_refused(person: User) -> None:
    claims = jwt.decode(local(person), options={"verify_signature": False})
    for secret in ("", "secret", "x" * 32):
        assert refused(forged_with(secret.encode(), "", claims))
    assert refused(unsigned({"alg": "none"}, claims))


def test_tokens_of_providers_that_are_not_configured_are_refused(
    supabase: Project, settings: Settings, person: User
) -> None:
    settings.AUTH_PROVIDERS = ("supabase",)
    assert refused(local(person))
    settings.AUTH_PROVIDERS = ("local",)
    assert refused(supabase.token())
    assert ask(local(person)).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Token abc", "bearer\tx"])
def test_a_header_that_brings_no_token_is_a_401(header: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    answer = client.get(URL)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_the_scheme_is_read_without_regard_to_case(person: User) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"bEARER {local(person)}")
    assert client.get(URL).status_code == 200
