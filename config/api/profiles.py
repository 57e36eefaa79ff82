"""Profile pages: a person out of accounts, their totals out of fitness, their victories out of leaderboards."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.serializers import ProfileChanges, RegisterBody
from accounts.api.views import LocalAccountsView
from accounts.models import User
from accounts.paths import person_named
from accounts.permissions import PersonOnly, caller
from accounts.pictures.names import LARGE, picture_url
from accounts.queries import access_person_to_change, person
from accounts.services.people import change_profile, register_person
from config.core.api import APIView, body_of, success
from config.core.cache import ForgettableCached
from config.core.limits import RegisterThrottle
from fitness.queries.activity import totals_of
from fitness.queries.readings import totals_shown_of
from fitness.signals import activity_stored
from leaderboards.queries import competitions_won
from leaderboards.scoring import Totals
from leaderboards.units import totals_to_wire
from prizes.queries import prizes_won
from prizes.signals import prizes_settled

_statistics = ForgettableCached("statistics", ttl_seconds=60)


class Profile(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.EmailField(allow_null=True, required=False, help_text="Only in one's own profile.")
    name = serializers.CharField()
    avatar = serializers.CharField(allow_null=True, help_text="URL of a square of 512 pixels, or less.")
    bio = serializers.CharField()
    country = serializers.CharField()
    timezone = serializers.CharField()
    total_steps = serializers.IntegerField()
    total_calories = serializers.FloatField()
    total_distance = serializers.FloatField()
    competitions_won = serializers.IntegerField()
    total_prizes = serializers.IntegerField(help_text="How many prizes were paid to the person.")
    joined_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


def profile_of(user: User, *, private: bool) -> dict[str, Any]:
    shown = {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "avatar": picture_url(user.id, user.avatar, LARGE),
        "bio": user.bio,
        "country": user.country,
        "timezone": user.timezone or "UTC",
        **_statistics.get(user.id, lambda: statistics_of(user.id))["own" if private else "shown"],
        "joined_at": user.joined_at,
        "updated_at": user.updated_at,
    }
    if not private:
        del shown["email"]
    return shown


def statistics_of(user_id: UUID) -> dict[str, dict[str, Any]]:
    """As the person sees them, and as others do: some sources may be shown to their owner only."""
    common = {"competitions_won": competitions_won(user_id, timezone.now()), "total_prizes": prizes_won(user_id)}
    return {"own": _sums(totals_of(user_id)) | common, "shown": _sums(totals_shown_of(user_id)) | common}


def _sums(totals: Totals) -> dict[str, Any]:
    wire = totals_to_wire(totals)
    return {"total_steps": wire["steps"], "total_calories": wire["calories"], "total_distance": wire["distance"]}


@receiver([activity_stored, prizes_settled])
def forget_statistics(user_ids: Any, **_: Any) -> None:
    transaction.on_commit(lambda: _statistics.forget(user_ids))


class RegisterView(LocalAccountsView):
    throttle_classes = [RegisterThrottle]

    @extend_schema(request=RegisterBody, responses={201: Profile})
    def post(self, request: Request) -> Response:
        """A new account of this server."""
        newcomer = register_person(**body_of(request, RegisterBody))
        return success(profile_of(newcomer, private=True), status=201, message="Welcome.")


class ProfileView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=Profile)
    def get(self, request: Request, user_id: str) -> Response:
        """One's own profile in full; anybody else's public part."""
        shown = person(person_named(request, user_id))
        own = shown.id == request.user.id or request.user.has_perm("accounts.view_user")
        return success(profile_of(shown, private=own))

    @extend_schema(request=ProfileChanges, responses=Profile)
    def put(self, request: Request, user_id: str) -> Response:
        return self._change(request, user_id, partial=False)

    @extend_schema(request=ProfileChanges, responses=Profile)
    def patch(self, request: Request, user_id: str) -> Response:
        return self._change(request, user_id, partial=True)

    def _change(self, request: Request, user_id: str, *, partial: bool) -> Response:
        subject = access_person_to_change(caller(request), person_named(request, user_id))
        changes = body_of(request, ProfileChanges, partial=partial)
        return success(profile_of(change_profile(user_id=subject.id, changes=changes), private=True))
