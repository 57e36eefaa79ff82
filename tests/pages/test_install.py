"""The pages as a web app that can be installed."""

import struct

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from tests.pages.conftest import text_of

pytestmark = pytest.mark.django_db


def test_the_manifest_has_icons_of_the_sizes_that_it_says(stranger: Client) -> None:
    answer = stranger.get("/manifest.webmanifest")
    manifest = answer.json()
    assert answer["Content-Type"] == "application/manifest+json"
    assert (manifest["start_url"], manifest["scope"], manifest["display"]) == ("/my-day", "/", "standalone")
    for icon in manifest["icons"]:
        path = finders.find(icon["src"].removeprefix("/static/"))
        assert isinstance(path, str)
        if icon["type"] == "image/png":
            with open(path, "rb") as file:
                width, height = struct.unpack(">II", file.read(24)[16:])
            assert icon["sizes"] == f"{width}x{height}"


def test_the_worker_keeps_the_offline_page_and_nothing_of_anybody(stranger: Client, ada: Client) -> None:
    answer = stranger.get("/service-worker.js")
    script = answer.content.decode()
    assert answer["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer["Cache-Control"] == "no-cache"
    assert "const OFFLINE = '/offline'" in script
    assert "cache.put" not in script
    for private in ("/my-day", "/profile", "/competitions", "/notifications"):
        assert private not in script
    assert ada.get("/offline").content == stranger.get("/offline").content, "it is the same for everybody"
    assert "There is no network." in text_of(stranger.get("/offline"))


def test_every_page_names_the_manifest_and_its_colours(stranger: Client, ada: Client) -> None:
    for html in (stranger.get("/").content.decode(), ada.get("/my-day").content.decode()):
        assert '<link rel="manifest" href="/manifest.webmanifest">' in html
        assert html.count('name="theme-color"') == 2
