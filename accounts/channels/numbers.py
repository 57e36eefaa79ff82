"""Phone numbers as people write them."""

import phonenumbers

from config.core.errors import Invalid


def parse_number(text: str) -> str:
    """In E.164. Raises Invalid for what cannot be one."""
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise Invalid(details={"number": ["Write a mobile number with its country's code, such as +49 151 23456789."]})
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
