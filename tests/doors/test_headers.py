"""The headers of every answer, whichever layer gives it, and what they keep a browser from."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.services.people import register_person
from config.core.middleware import page_policy
from config.panel.policy import CONTENT_SECURITY_POLICY as PANEL
from tests.doors.asking import ask, taken_back
from tests.doors.matrix import TABLE, read_table
from tests.doors.world import World

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "0",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HSTS = "max-age=31536000; includeSubDomains"
TEMPLATES = list(Path(__file__).resolve().parents[2].glob("*/templates/**/*.html"))
LINES = [line for line in read_table(TABLE.read_text()) if line.method not in ("WS", "SSE")]


def complaints(headers: Any, name: str) -> Iterator[str]:
    """What an answer lacks."""
    for header, value in ALWAYS.items():
        if headers.get(header) != value:
            yield f"{name}: {header}: {headers.get(header)}"
    if headers.get("Referrer-Policy") not in ("same-origin", "no-referrer"):
        yield f"{name}: Referrer-Policy: {headers.get('Referrer-Policy')}"
    if headers.get("Cross-Origin-Resource-Policy") != ("cross-origin" if "/media/" in name else "same-origin"):
        yield f"{name}: Cross-Origin-Resource-Policy: {headers.get('Cross-Origin-Resource-Policy')}"
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", headers.get("X-Request-ID", "")):
        yield f"{name}: X-Request-ID: {headers.get('X-Request-ID')}"
    yield from _complaints_about_policy(headers.get("Content-Security-Policy", ""), headers, name)
    for telltale in ("Server", "X-Powered-By", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"):
        if telltale in headers:
            yield f"{name}: says {telltale}"


def _complaints_about_policy(policy: str, headers: Any, name: str) -> Iterator[str]:
    said = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    scripts = said.get("script-src", said.get("default-src", ""))
    closed = {"base-uri": "'none'", "frame-ancestors": "'none'"}
    if not said or any(said.get(what) != value for what, value in closed.items()):
        yield f"{name}: {policy}"
    is_page = headers.get("Content-Type", "").startswith("text/html") and "Location" not in headers
    allowed = r"'nonce-[\w-]{20,}'" if is_page else "'none'"
    if name.endswith("/api/docs"):
        allowed = "'self'"  # Swagger UI as it comes
    if not re.fullmatch(allowed, scripts):
        yield f"{name}: scripts may come from {scripts}"


def found_wrong(answer: Any, name: str) -> list[str]:
    return list(complaints(answer.headers, name))


# --- Every route, allowed and refused ---


@pytest.mark.slow
def test_every_answer_of_every_route_has_them_all(world: World, db: None) -> None:
    wrong = []
    for line in LINES:
        for who in ("anon", "other", "part"):
            answer = ask(line, who, world).answer
            wrong += found_wrong(answer, f"{who} {line.pattern}")
    assert wrong == []


def test_an_answer_without_one_of_them_is_noticed(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found_wrong(client.get("/health"), "/health") == []
    monkeypatch.setattr("config.core.middleware.SECURITY_HEADERS", {"X-XSS-Protection": "1"})
    told = " ".join(found_wrong(client.get("/health"), "/health"))
    assert all(name in told for name in ("X-XSS-Protection", "Permissions", "scripts may come from", "Resource-Policy"))


# --- What is no route ---


@pytest.mark.urls("tests.config.raising_urls")
def test_what_nobody_foresaw_has_them_too(db: None) -> None:
    answer = Client(raise_request_exception=False).get("/plain/bug")
    assert (answer.status_code, found_wrong(answer, "a bug")) == (500, [])


def test_a_file_has_them_too(tmp_path: Path, settings: Any, db: None) -> None:
    (tmp_path / "drawing.svg").write_text("<svg/>")
    settings.STATIC_ROOT = str(tmp_path)
    answer = Client().get("/static/drawing.svg")
    assert (answer.status_code, found_wrong(answer, "a file")) == (200, [])


# --- HTTPS, pages, other origins ---


def test_browsers_are_bound_to_https_where_the_site_is_and_only_there(client: Client, db: None, settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 31_536_000, True
    assert Client().get("/health", secure=True)["Strict-Transport-Security"] == HSTS
    assert "Strict-Transport-Security" not in Client().get("/health")


def test_a_page_runs_what_carries_its_nonce_and_each_answer_has_another(client: Client, person: User) -> None:
    client.force_login(person, backend="accounts.backends.LimitedModelBackend")
    nonces = set()
    for _ in range(2):
        answer = client.get("/profile")
        [nonce] = re.findall(r"'nonce-([^']+)'", answer["Content-Security-Policy"])
        assert answer["Content-Security-Policy"] == page_policy(nonce)
        assert re.findall(r'<script[^>]* nonce="([^"]+)"', answer.content.decode()) == [nonce]
        nonces.add(nonce)
    assert len(nonces) == 2


def test_no_template_has_a_script_of_its_own_or_one_without_its_nonce() -> None:
    assert len(TEMPLATES) > 50
    for template in TEMPLATES:
        html, of_panel = template.read_text(), "panel" in template.parts or "admin" in template.parts
        for script in re.findall(r"<script\b[^>]*>", html):
            assert "src=" in script, f"{template}: a script within the page"
            assert of_panel or 'nonce="{{ request.nonce }}"' in script, f"{template}: {script}"
        assert not re.search(r"\son[a-z]+=[\"']", html), f"{template}: a handler within the page"
        assert "javascript:" not in html, template
        assert "<style" not in html or "letters" in template.parts, f"{template}: a style within the page"


def test_the_panel_excuses_what_its_pages_need_and_no_more(client: Client, db: None) -> None:
    policy = client.get("/admin/login/")["Content-Security-Policy"]
    assert policy == PANEL
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert not re.search(r"script-src[^;]*(unsafe-inline|http|\*|data:)", policy)


ORIGIN = "https://app.example.org"


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        f"{ORIGIN}.evil.example",
        "https://evilapp.example.org",
        "https://x.app.example.org",
        "http://app.example.org",
        f"{ORIGIN}:8443",
        f"{ORIGIN}/",
        f"{ORIGIN}, https://evil.example",
        f"https://evil.example#{ORIGIN}",
        "https://app.example.org@evil.example",
        "*",
        "",
    ],
)
def test_an_origin_that_only_looks_like_a_listed_one_gets_nothing(origin: str, settings: Any, db: None) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    for answer in (
        Client().get("/api/v1/competitions", headers={"origin": origin}),
        Client().options("/api/v1/competitions", headers={"origin": origin, **preflight}),
    ):
        assert not [name for name in answer.headers if name.startswith("Access-Control-Allow-Origin")]
    listed = Client().get("/api/v1/competitions", headers={"origin": ORIGIN})
    assert listed["Access-Control-Allow-Origin"] == ORIGIN
    assert "origin" in listed["Vary"].lower()


def test_credentials_never_go_to_everybody(settings: Any) -> None:
    assert getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False) is False
    assert getattr(settings, "CORS_ALLOW_CREDENTIALS", False) is False
    assert not getattr(settings, "CORS_ALLOWED_ORIGIN_REGEXES", [])


def test_cookies_are_kept_to_this_site_and_to_https(settings: Any, db: None) -> None:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True  # as where PUBLIC_URL is https
    register_person(email="ada@example.org", password="a-long-walk-home", name="Ada", now=datetime.now(UTC))
    answer = Client().post("/sign-in", {"email": "ada@example.org", "password": "a-long-walk-home"})
    session, form = answer.cookies["sessionid"], answer.cookies["csrftoken"]
    assert (session["httponly"], session["samesite"], session["secure"]) == (True, "Lax", True)
    assert (form["samesite"], form["secure"]) == ("Lax", True)


def test_what_is_asked_here_is_taken_back(world: World, db: None) -> None:
    with taken_back():
        User.objects.filter(id=world.people["other"].id).update(name="Changed")
    assert User.objects.get(id=world.people["other"].id).name == "Other"
