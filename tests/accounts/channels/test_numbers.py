"""Phone numbers as people write them."""

import pytest

from accounts.channels.numbers import parse_number
from config.core.errors import Invalid


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+49 1512 3456789", "+4915123456789"),
        ("  +49 (0) 1512 345-6789 ", "+4915123456789"),
        ("+1 (201) 555-0123", "+12015550123"),
        ("+44 7400 123456", "+447400123456"),
        ("+33 6 12 34 56 78", "+33612345678"),
        ("\uff0b\uff14\uff19 1512 3456789", "+4915123456789"),
    ],
)
def test_a_mobile_number_has_one_spelling(written: str, number: str) -> None:
    assert parse_number(written) == number
    assert parse_number(number) == number


@pytest.mark.parametrize(
    "written",
    ["01512 3456789", "hello", "", "+", "+999 123456", "+49 1512", "+4915123456789" * 9, "\x00", "+1 555 0123"],
)
def test_what_is_no_number_with_its_country_is_refused(written: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_number(written)
    sentence = "Write a mobile number with its country's code, such as +49 151 23456789."
    assert refused.value.details == {"number": [sentence]}


@pytest.mark.parametrize("written", ["+49 30 123456", "+44 20 7031 3000", "+49 900 1234567", "+49 800 1234567"])
def test_what_takes_no_texts_is_refused(written: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_number(written)
    assert refused.value.details == {"number": ["This is no mobile number, so no text would arrive."]}
