"""Making an account, its profile, and the end of it."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.serializers import ProfileChanges, RegisterBody
from accounts.api.views import LocalAccountsView
from accounts.models import IdentityProvider
from accounts.paths import person_named
from accounts.permissions import PersonOnly, caller
from accounts.queries import access_person_to_change, person
from accounts.services.passwords import require_password
from accounts.services.people import change_profile, erase_person, register_person
from config.core.api import APIView, body_of, success
from config.core.errors import Forbidden
from config.core.limits import RegisterThrottle
from config.core.request import address_of
from config.people.profiles import profile_of

_OWN = "Only in one's own profile."


class Profile(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.EmailField(allow_null=True, required=False, help_text=_OWN)
    email_verified = serializers.BooleanField(required=False, help_text=_OWN)
    language = serializers.CharField(required=False, help_text=f"BCP 47; empty: the site's own. {_OWN}")
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


class EraseBody(serializers.Serializer[Any]):
    password = serializers.CharField(
        max_length=128, trim_whitespace=False, default="", help_text="One's own, of a local account."
    )


class RegisterView(LocalAccountsView):
    throttle_classes = [RegisterThrottle]

    @extend_schema(request=RegisterBody, responses={201: Profile, 404: None, 409: None})
    def post(self, request: Request) -> Response:
        """A new account of this server."""
        newcomer = register_person(**body_of(request, RegisterBody), now=timezone.now())
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


class PersonView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(request=EraseBody, responses={200: None, 409: None})
    def delete(self, request: Request, user_id: str) -> Response:
        """Forgets a person for good: oneself, with the password of a local account; anybody, for staff who may delete
        people. 409 while they organise a competition that is not over."""
        asked_by, found = caller(request), person(person_named(request, user_id))
        if found.id != asked_by.id and not asked_by.has_perm("accounts.delete_user"):
            raise Forbidden("This belongs to somebody else.")
        if found.id == asked_by.id and found.identity_provider == IdentityProvider.LOCAL:
            password = body_of(request, EraseBody)["password"]
            address = address_of(request._request)
            require_password(user_id=found.id, password=password, field="password", address=address)
        erase_person(user_id=found.id, now=timezone.now())
        return success(message="Everything about this person was forgotten.")
