"""Phone numbers as people write them. https://github.com/daviddrysdale/python-phonenumbers"""

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from config.core.errors import Invalid

_MOST_CHARACTERS = 40
_TAKES_TEXTS = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
"""In North America nobody can tell the two apart by the number."""


def parse_number(text: str) -> str:
    """In E.164. Raises Invalid for what takes no texts."""
    number = _parsed(text)
    if number is None or not phonenumbers.is_valid_number(number):
        raise _refused("Write a mobile number with its country's code, such as +49 151 23456789.")
    if phonenumbers.number_type(number) not in _TAKES_TEXTS:
        raise _refused("This is no mobile number, so no text would arrive.")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _parsed(text: str) -> PhoneNumber | None:
    if len(text) > _MOST_CHARACTERS:
        return None
    try:
        return phonenumbers.parse(text, None)
    except NumberParseException:
        return None


def _refused(sentence: str) -> Invalid:
    return Invalid(details={"number": [sentence]})
