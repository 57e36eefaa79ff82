"""`GET` and `PUT /fitness/sources`: what measures somebody, and which of it they trust more."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.permissions import PersonOnly, caller
from competitions.policy import DEFAULT_PREFERENCE
from competitions.rules import DeviceKind
from config.core.api import APIView, body_of, success
from fitness.models import DataSource
from fitness.queries.readings import data_sources_of, source_preference
from fitness.services.preferences import prefer_sources


class PreferenceBody(serializers.Serializer[Any]):
    preference = serializers.ListField(
        child=serializers.ChoiceField(list(DeviceKind)),
        max_length=len(DeviceKind),
        help_text="Kinds of devices, best first. It counts where a competition prefers sources and names none itself.",
    )

    def validate_preference(self, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise serializers.ValidationError("Name each kind once.")
        return value


class SourceAnswer(serializers.Serializer[DataSource]):
    app = serializers.CharField()
    device = serializers.CharField()
    kind = serializers.CharField()
    synced_at = serializers.DateTimeField(help_text="When something of it last changed.")


class SourcesAnswer(serializers.Serializer[Any]):
    preference = serializers.ListField(child=serializers.ChoiceField(list(DeviceKind)))
    sources = SourceAnswer(many=True)


class SourcesView(APIView):
    permission_classes = [PersonOnly]

    @extend_schema(responses=SourcesAnswer)
    def get(self, request: Request) -> Response:
        """The apps and devices that one's own samples came from, and which kinds of devices one trusts more."""
        return success(_answer(caller(request)))

    @extend_schema(request=PreferenceBody, responses=SourcesAnswer)
    def put(self, request: Request) -> Response:
        """Says which kinds of devices one trusts more."""
        person = caller(request)
        kinds = [DeviceKind(kind) for kind in body_of(request, PreferenceBody)["preference"]]
        prefer_sources(user_id=person.id, kinds=kinds, now=timezone.now())
        return success(_answer(person))


def _answer(person: User) -> dict[str, Any]:
    preference = source_preference(person.id)
    return {
        "preference": DEFAULT_PREFERENCE if preference is None else preference,
        "sources": [SourceAnswer(source).data for source in data_sources_of(person.id)],
    }
