"""The roles of the panel, as the migration makes them."""

from collections.abc import Callable

import pytest

from accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("organiser", "competitions.organise_own", "competitions.view_competition"),
        ("reviewer", "fitness.decide_flag", "prizes.view_transfer"),
        ("treasurer", "prizes.distribute_prizes", "fitness.view_sample"),
        ("support", "accounts.view_user", "fitness.decide_flag"),
    ],
)
def test_a_role_may_what_it_is_for_and_no_more(
    make_staff: Callable[..., User], role: str, may: str, may_not: str
) -> None:
    member = make_staff(role)
    assert member.has_perm(may)
    assert not member.has_perm(may_not)
