"""Pages as a browser asks for them."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.models import User

BACKEND = "accounts.backends.LimitedModelBackend"
AS_BROWSER = {"accept": "text/html,application/xhtml+xml"}
PASSWORD = "a-long-walk-home"

SignedIn = Callable[..., Client]


@pytest.fixture
def stranger() -> Client:
    return Client(headers=AS_BROWSER)


@pytest.fixture
def browser_of() -> SignedIn:
    """A browser in which this person is signed in."""

    def signed_in(person: User, **options: Any) -> Client:
        client = Client(headers=AS_BROWSER, **options)
        client.force_login(person, backend=BACKEND)
        return client

    return signed_in


@pytest.fixture
def ada(person: User, browser_of: SignedIn) -> Client:
    return browser_of(person)


@pytest.fixture
def ben(other: User, browser_of: SignedIn) -> Client:
    return browser_of(other)


def text_of(answer: HttpResponse | Any) -> str:
    """What of the page is read: without its tags, in one line."""
    html = answer.content.decode()
    body = html.partition("<body>")[2] or html
    without = re.sub(r"<(script|template|style).*?</\1>|<[^>]*>", " ", body, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(without)).strip()
