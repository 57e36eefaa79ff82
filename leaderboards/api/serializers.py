from decimal import Decimal
from typing import Any

from rest_framework import serializers

from competitions.api.serializers import CompetitionAnswer

_MOST = Decimal(10**9)


class BoardQuery(serializers.Serializer[Any]):
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)
    offset = serializers.IntegerField(min_value=0, max_value=2**31, default=0)
    around = serializers.CharField(required=False, help_text="me or a user id: a window around that person.")


class Entry(serializers.Serializer[Any]):
    user_id = serializers.UUIDField()
    user_name = serializers.CharField()
    avatar = serializers.CharField(allow_null=True)
    competition_id = serializers.UUIDField()
    score = serializers.IntegerField()
    rank = serializers.IntegerField()
    steps = serializers.IntegerField()
    distance = serializers.FloatField(help_text="Metres.")
    calories = serializers.FloatField(help_text="Kilocalories.")
    active_minutes = serializers.FloatField()
    last_synced_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField()


class BoardAnswer(serializers.Serializer[Any]):
    competition_id = serializers.UUIDField()
    entries = Entry(many=True)
    total_count = serializers.IntegerField()
    updated_at = serializers.DateTimeField()
    epoch = serializers.UUIDField()
    version = serializers.IntegerField()
    standings = serializers.ChoiceField(
        choices=["live", "provisional", "final"],
        help_text="Provisional: the competition is over, late data may still arrive. Final: nothing changes any more.",
    )
    final_at = serializers.DateTimeField(
        allow_null=True, help_text="Since or from when they are final; null if they never will be."
    )


class ReportBody(serializers.Serializer[Any]):
    """Totals so far in the competition: absolute, never increments. What is left out stays as reported last."""

    user_id = serializers.CharField(max_length=64)
    competition_id = serializers.CharField(max_length=64)
    steps = serializers.IntegerField(min_value=0, max_value=int(_MOST), required=False)
    distance = serializers.DecimalField(
        max_digits=None, decimal_places=None, min_value=Decimal(0), max_value=_MOST, required=False
    )
    calories = serializers.DecimalField(
        max_digits=None, decimal_places=None, min_value=Decimal(0), max_value=_MOST, required=False
    )
    active_minutes = serializers.DecimalField(
        max_digits=None, decimal_places=None, min_value=Decimal(0), max_value=_MOST, required=False
    )


class MyCompetition(CompetitionAnswer):
    """A competition as one of its participants sees it."""

    current_rank = serializers.IntegerField()
    user_score = serializers.IntegerField()
    user_steps = serializers.IntegerField()
    user_calories = serializers.FloatField()
    user_distance = serializers.FloatField()
    joined_at = serializers.DateTimeField()
