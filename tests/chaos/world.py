"""Makes the world of a run, by the program's own services: `python -m tests.chaos.world PEOPLE FINISHED`.

Writes one JSON document: people with tokens that last, three competitions that run, and so many that are over, funded
and undistributed, with winners who can be paid. ``accounts``: one at the gateway, which all payouts go to.
"""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

WINNERS = 6
PRIZE_MINOR = 1_000
TOKEN_HOURS = 6


def main(people: int, finished: int, account: str) -> None:
    import django

    django.setup()
    json.dump(_World(people, account).made(finished), sys.stdout)


class _World:
    def __init__(self, people: int, account: str) -> None:
        from accounts.models import User

        self.now = datetime.now(UTC)
        self.people = [self._person(f"Walker {number:03}") for number in range(people)]
        self.treasurer: User = self._person("Tess", staff=True)
        self._connect(account)

    def _person(self, name: str, *, staff: bool = False) -> Any:
        from accounts.models import User

        person = User(name=name, email=f"{name.replace(' ', '-').lower()}@example.org", is_staff=staff)
        person.is_superuser = staff
        person.set_unusable_password()
        person.save()
        return person

    def _connect(self, account: str) -> None:
        from prizes.models import PayoutAccount

        PayoutAccount.objects.bulk_create(
            PayoutAccount(
                user=person,
                gateway="stripe",
                reference=f"{account}_{number}",
                ready=True,
                created_at=self.now,
                updated_at=self.now,
            )
            for number, person in enumerate(self.people)
        )

    def made(self, finished: int) -> dict[str, Any]:
        return {
            "people": [{"id": str(one.id), "token": self._token(one)} for one in self.people],
            "treasurer": self._token(self.treasurer),
            "walk": self._running("The walk", self.people, score_source="synced"),
            "reported": self._running("The reports", self.people, score_source="reported"),
            "doors": self._running("The doors", [], score_source="synced"),
            "finished": [self._finished(number) for number in range(finished)],
        }

    def _token(self, person: Any) -> str:
        from rest_framework_simplejwt.tokens import AccessToken

        token = AccessToken.for_user(person)
        token.set_iat(at_time=self.now - timedelta(hours=1))  # clocks are set back
        token.set_exp(lifetime=timedelta(hours=TOKEN_HOURS))
        return str(token)

    def _competition(self, name: str, first: int, last: int, made_at: datetime, **fields: Any) -> Any:
        from competitions.rules import Kind, span_of
        from competitions.services.lifecycle import create_competition

        today = self.now.date()
        span = span_of(today + timedelta(days=first), today + timedelta(days=last), "UTC", Kind.CUSTOM)
        columns = {"name": name, "grace_hours": 0, **fields}
        return create_competition(owner=self.treasurer, fields=columns, span=span, published=True, now=made_at)

    def _running(self, name: str, people: list[Any], **fields: Any) -> str:
        from competitions.services.enrolment import enrol_people

        before = self.now - timedelta(days=9)
        competition = self._competition(name, -7, 7, before, **fields)
        enrol_people(competition=competition, user_ids=[person.id for person in people], now=before)
        return str(competition.id)

    def _finished(self, number: int) -> str:
        from competitions.services.enrolment import enrol_people
        from fitness.rules import Reading, Source
        from fitness.services.syncing import sync_activities
        from leaderboards.scoring import Totals
        from prizes.actors import Actor
        from prizes.plans import DEFAULT
        from prizes.services.funding import confirm_funding
        from prizes.services.plans import change_plan

        before, pool = self.now - timedelta(days=22), WINNERS * PRIZE_MINOR
        competition = self._competition(f"Over {number}", -20, -15, before, prize_pool_minor=pool)
        each = [{"first": place, "last": place, "amount_minor": PRIZE_MINOR} for place in range(1, WINNERS + 1)]
        actor = Actor(self.treasurer)
        plan = {**DEFAULT, "places": each, "currency": "USD"}
        change_plan(competition_id=competition.id, document=plan, actor=actor, now=before)
        first = number * WINNERS
        winners = [self.people[(first + place) % len(self.people)] for place in range(WINNERS)]
        enrol_people(competition=competition, user_ids=[one.id for one in winners], now=before)
        walked = Totals(steps=900 + number)  # more than in the competitions before, so that it moves this one, too
        day = self.now.date() - timedelta(days=18)
        readings = [Reading(one.id, Source.OTHER, day, walked) for one in winners]
        sync_activities(readings=readings, now=before + timedelta(days=5))
        confirm_funding(
            competition_id=competition.id,
            amount_minor=pool,
            reference=f"bank {number}",
            actor=actor,
            reason="It is on our account.",
            now=self.now,
        )
        return str(competition.id)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
