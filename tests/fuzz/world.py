"""`python -m tests.fuzz.world`: fills an empty database with the seeded demo; prints who may call and what there is.

Runs as a process of its own, so that whoever fuzzes loads no Django.
"""

import json
import os
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

PEOPLE, COMPETITIONS = 60, 30
TOKENS_LAST = timedelta(hours=12)
"""Longer than any run: a token that ends in the middle would turn the rest of it into 401s."""


def make(seed: int) -> dict[str, Any]:
    """``roles``: the headers of each; the rest: ids of what there is, by the name of the path's parameter."""
    import django

    django.setup()

    from accounts.models import Scope, User
    from accounts.services.keys import create_service_key
    from competitions.models import Competition
    from config.demo.people import ADMIN_EMAIL
    from config.demo.staff import ORGANISER, REVIEWER, SUPPORT, TREASURER
    from config.demo.world import World, make_world
    from fitness.models import Flag

    make_world(World(people=PEOPLE, competitions=COMPETITIONS, seed=seed, now=datetime.now(UTC)))
    staff = {"organiser": ORGANISER, "reviewer": REVIEWER, "treasurer": TREASURER, "support": SUPPORT}
    emails = {role: member.email for role, member in staff.items()} | {"superuser": ADMIN_EMAIL}
    flag = Flag.objects.filter(state="open").order_by("id").select_related("user").first()
    assert flag is not None
    callers = {"person": flag.user} | {role: User.objects.get(email=email) for role, email in emails.items()}
    callers["owner"] = Competition.objects.exclude(owner__is_staff=True).order_by("id")[0].owner
    _, secret = create_service_key(name="fuzz", scopes=list(Scope))
    known = {person.id for person in callers.values()}
    walkers = User.objects.filter(is_staff=False).exclude(id__in=known).order_by("id")
    return {
        "roles": {
            "anonymous": {},
            **{role: {"Authorization": f"Bearer {_token(person)}"} for role, person in callers.items()},
            "service key": {"X-API-Key": secret},
        },
        "competition_id": _ids(Competition.objects.order_by("id")),
        "user_id": ["me"] * 20 + _ids(walkers[:20]),
        "date": [str(datetime.now(UTC).date() - timedelta(days=days)) for days in range(3)],
        "flag_id": _ids(Flag.objects.order_by("id")),
    }


def _token(person: Any) -> str:
    from rest_framework_simplejwt.tokens import AccessToken

    token = AccessToken.for_user(person)
    token.set_exp(lifetime=TOKENS_LAST)
    return str(token)


def _ids(rows: Any) -> list[str]:
    return [str(found) for found in rows.values_list("id", flat=True)]


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    made = make(parser.parse_args().seed)
    sys.stdout.write(json.dumps(made))
