"""The translations are whole, of what is said today, and compiled."""

from typing import Any

import pytest
from babel.messages import Catalog
from django.utils import translation

from accounts.templatetags.notices import measured, money, number
from config.core.money import money_text
from tests.accounts.catalogue import LANGUAGES, compiled, po_path, read_catalogue, texts


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def catalogue(language: str) -> Catalog:
    return read_catalogue(language)


def test_it_holds_every_text_of_today_and_no_other(catalogue: Catalog) -> None:
    held = {tuple(message.id) if message.pluralizable else message.id for message in catalogue if message.id}
    assert held == {text for text, _ in texts()}
    assert len(held) > 100
    assert not catalogue.obsolete


@pytest.mark.slow
def test_nothing_in_it_is_untranslated_or_unsure_or_asks_for_what_is_not_there(catalogue: Catalog) -> None:
    for message in catalogue:
        if message.id:
            said: Any = message.string if message.pluralizable else [message.string]
            assert len(said) == (catalogue.num_plurals if message.pluralizable else 1)
            assert all(said), message.id
            assert not message.fuzzy, message.id
            assert not list(message.check(catalogue)), message.id


def test_what_is_compiled_is_what_is_written(language: str, catalogue: Catalog) -> None:
    assert po_path(language).with_suffix(".mo").read_bytes() == compiled(catalogue)


@pytest.mark.parametrize(
    ("language", "metric", "said"),
    [
        ("en", "weighted", ["0 points", "1 point", "2 points", "-1 points", "1,234,567 points", "0.5 points"]),
        ("de", "weighted", ["0 Punkte", "1 Punkt", "2 Punkte", "-1 Punkte", "1.234.567 Punkte", "0,5 Punkte"]),
        ("de", "steps", ["0 Schritte", "1 Schritt", "2 Schritte"]),
        ("de", "active_minutes", ["0 aktive Minuten", "1 aktive Minute", "2 aktive Minuten"]),
        ("en", "distance", ["0 m", "1 m", "2 m"]),
    ],
)
def test_one_is_one_and_more_are_more(language: str, metric: str, said: list[str]) -> None:
    with translation.override(language):
        amounts = [0, 1, 2, -1, 1_234_567, 0.5][: len(said)]
        assert [measured(amount, metric) for amount in amounts] == said


@pytest.mark.parametrize(("minor", "currency"), [(123_450, "USD"), (5, "EUR"), (1_234, "JPY"), (1_234_567, "KWD")])
def test_money_is_written_as_everywhere_but_with_the_signs_of_the_language(minor: int, currency: str) -> None:
    swapped = str.maketrans(",.", ".,")
    with translation.override("en"):
        assert money(minor, currency) == money_text(minor, currency)
    with translation.override("de"):
        assert money(minor, currency) == money_text(minor, currency).translate(swapped)
        assert number("12.50") == "12,50"
