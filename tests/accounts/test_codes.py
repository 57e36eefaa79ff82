"""One-time codes of staff: who has none proves nothing, and a new authenticator takes nobody's place unasked."""

import pytest
from django_otp.oath import totp

from accounts.codes import AlreadyEnrolled, WrongCode, enrol_authenticator, recovery_codes_left, verify_code
from accounts.models import User

pytestmark = pytest.mark.django_db
KEY = "ab" * 20


def code_of(key: str) -> str:
    return f"{totp(bytes.fromhex(key)):06}"


@pytest.mark.parametrize("code", ["123456", "abcd2345"])
def test_who_has_set_up_nothing_proves_nothing(person: User, code: str) -> None:
    with pytest.raises(WrongCode):
        verify_code(person=person, code=code)


def test_a_wrong_code_sets_up_nothing(person: User) -> None:
    wrong = f"{(int(code_of(KEY)) + 1) % 1_000_000:06}"
    with pytest.raises(WrongCode):
        enrol_authenticator(person=person, key=KEY, code=wrong, replacing=False)
    assert recovery_codes_left(person) == 0


def test_another_one_replaces_the_first_only_when_that_is_meant(person: User) -> None:
    _, codes = enrol_authenticator(person=person, key=KEY, code=code_of(KEY), replacing=False)
    assert recovery_codes_left(person) == len(codes)
    other = "cd" * 20
    with pytest.raises(AlreadyEnrolled):
        enrol_authenticator(person=person, key=other, code=code_of(other), replacing=False)
    device, _ = enrol_authenticator(person=person, key=other, code=code_of(other), replacing=True)
    assert device.key == other
    assert recovery_codes_left(person) == len(codes)
