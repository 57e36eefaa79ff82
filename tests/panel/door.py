"""Somebody at the panel's door, with nothing but the pages and what an authenticator app knows."""

import re
import time
from base64 import b32decode
from typing import Any

from django.test import Client
from django.utils.html import strip_tags
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.codes import new_authenticator
from accounts.models import User

PASSWORD = "keeps-the-books-straight"
LOG_IN, CODE, ENROL, CONFIRM = (
    "/admin/login/",
    "/admin/sign-in/code/",
    "/admin/sign-in/enrol/",
    "/admin/sign-in/confirm/",
)


class Visitor:
    def __init__(self, person: User, **options: Any) -> None:
        self.person = person
        self.client = Client(**options)

    def logs_in(self, password: str = PASSWORD, **more: Any) -> Any:
        """Ends at the page that comes after the password."""
        form = {"username": self.person.email, "password": password, "next": "/admin/"}
        return self.client.post(LOG_IN, form, follow=True, **more)

    def enrols(self) -> list[str]:
        """As an app does that reads the page's secret; the recovery codes."""
        page = self.client.get(ENROL).content.decode()
        secret = re.search(r'class="door-secret">([A-Z2-7 ]+)<', page)
        key = re.search(r'name="key" value="([^"]+)"', page)
        assert secret
        assert key
        app = new_authenticator(person=self.person, key=b32decode(secret.group(1).replace(" ", "")).hex())
        answer = self.client.post(ENROL, {"key": key.group(1), "code": code_of(app)})
        return re.findall(r"<code>([a-z2-7]{8})</code>", answer.content.decode())

    def gives(self, code: str, **more: Any) -> Any:
        return self.client.post(CODE, {"code": code, "next": "/admin/"}, **more)

    def may_enter(self) -> bool:
        return bool(self.client.get("/admin/").status_code == 200)


def code_of(device: TOTPDevice) -> str:
    """What the app shows next that was not used yet."""
    if device.pk:
        device.refresh_from_db()
    maker = TOTP(device.bin_key, device.step, device.t0, device.digits)
    maker.time = max(time.time(), (device.last_t + 1) * device.step)
    return f"{maker.token():06d}"


def wrong_code_for(device: TOTPDevice) -> str:
    return f"{(int(code_of(device)) + 1) % 10**6:06d}"


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", strip_tags(answer.content.decode()))


def let_pass(client: Client, *moments: str, minutes: int = 11) -> None:
    """Time, since the password or the code."""
    session = client.session
    for moment in moments:
        session[moment] -= minutes * 60
    session.save()
