from typing import Any

from rest_framework import serializers

from fitness.rules import Source


class Record(serializers.Serializer[Any]):
    """One source's totals of one day; documentation only, `rules.read_record` is what reads it."""

    user_id = serializers.CharField(required=False)
    competition_id = serializers.CharField(required=False, help_text="Accepted; restricts nothing.")
    steps = serializers.IntegerField(required=False)
    distance = serializers.FloatField(required=False, help_text="Metres.")
    calories = serializers.FloatField(required=False, help_text="Kilocalories.")
    active_minutes = serializers.FloatField(required=False)
    source = serializers.ChoiceField(list(Source))  # type: ignore[assignment]  # Field.source means something else
    date = serializers.DateField(required=False, help_text="Without it: today where the person is.")


class Batch(serializers.Serializer[Any]):
    records = Record(many=True, help_text="Up to 1000.")


class RejectedRecord(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    errors = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))  # type: ignore[assignment]


class SyncAnswer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = RejectedRecord(many=True)
    counted_in = serializers.ListField(child=serializers.UUIDField())


class Sums(serializers.Serializer[Any]):
    steps = serializers.IntegerField()
    distance = serializers.FloatField(help_text="Metres.")
    calories = serializers.FloatField(help_text="Kilocalories.")
    active_minutes = serializers.FloatField()


class DayAnswer(Sums):
    date = serializers.DateField()


class StatsAnswer(Sums):
    user_id = serializers.UUIDField()
    competition_id = serializers.UUIDField(allow_null=True)
    days = DayAnswer(many=True)


class StatsQuery(serializers.Serializer[Any]):
    competition_id = serializers.CharField(required=False)


class ActivityQuery(serializers.Serializer[Any]):
    days = serializers.IntegerField(min_value=1, max_value=366, default=7)


class RecentActivity(DayAnswer):
    source = serializers.CharField()  # type: ignore[assignment]  # as in Record
    synced_at = serializers.DateTimeField()


class DashboardAnswer(serializers.Serializer[Any]):
    total_steps = serializers.IntegerField()
    total_calories = serializers.FloatField()
    total_distance = serializers.FloatField()
    active_competitions = serializers.IntegerField()
    best_rank = serializers.IntegerField(allow_null=True)
    steps_change = serializers.FloatField(allow_null=True, help_text="Per cent against the seven days before.")
    calories_change = serializers.FloatField(allow_null=True, help_text="Per cent against the seven days before.")
    weekly_activity = DayAnswer(many=True)
    recent_activity = RecentActivity(many=True)
