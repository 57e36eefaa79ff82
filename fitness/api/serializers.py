from typing import Any

from rest_framework import serializers

from competitions.rules import DeviceKind
from fitness.insights import DEFAULT_GOAL
from fitness.rules import FIRST_DAY, LIMITS, Recording, SampleType, Source
from fitness.samples import MAX_TEXT, MAX_VERSION, UNITS

MOST_DAYS = 3_660
"""Of a history in one answer: ten years."""


def _amount(name: str) -> serializers.Field[Any, Any, Any, Any]:
    most, unit = LIMITS[name]
    field = serializers.IntegerField if name == "steps" else serializers.FloatField
    return field(min_value=0, max_value=most, required=False, allow_null=True, help_text=f"{unit.capitalize()}.")


class Record(serializers.Serializer[Any]):
    """One source's totals of one day; documentation only, `rules.read_record` is what reads it."""

    user_id = serializers.CharField(required=False)
    competition_id = serializers.CharField(required=False, help_text="Accepted; restricts nothing.")
    steps = _amount("steps")
    distance = _amount("distance")
    calories = _amount("calories")
    active_minutes = _amount("active_minutes")
    source = serializers.ChoiceField(list(Source))  # type: ignore[assignment]  # Field.source means something else
    date = serializers.DateField(required=False, allow_null=True, help_text="Without it: today where the person is.")


class Batch(serializers.Serializer[Any]):
    records = Record(many=True, help_text="Up to 1000.")


class SampleSource(serializers.Serializer[Any]):
    app = serializers.CharField(max_length=MAX_TEXT, help_text="Such as apple_health, or an app's bundle id.")
    device = serializers.CharField(max_length=MAX_TEXT, allow_blank=True, allow_null=True, required=False)
    kind = serializers.ChoiceField(list(DeviceKind), required=False)


class Sample(serializers.Serializer[Any]):
    """What one source measured between two moments; documentation only, `samples.read_sample` is what reads it."""

    id = serializers.CharField(max_length=MAX_TEXT, help_text="The sender's; sent again it changes nothing.")
    version = serializers.IntegerField(
        min_value=0, max_value=MAX_VERSION, required=False, help_text="A change of a sample has a larger one."
    )
    type = serializers.ChoiceField(list(SampleType))
    start = serializers.DateTimeField()
    end = serializers.DateTimeField(help_text="At most 48 hours after the start.")
    value = serializers.FloatField(min_value=0)
    unit = serializers.ChoiceField([unit for units in UNITS.values() for unit in units])
    source = SampleSource()  # type: ignore[assignment]  # as in Record
    recording = serializers.ChoiceField(
        list(Recording),
        required=False,
        help_text="active: a workout was started. Rides say so, or their speed is held.",
    )
    zone = serializers.CharField(required=False, help_text="Where the person was: an IANA zone or +02:00.")


class Samples(serializers.Serializer[Any]):
    """Also as application/x-ndjson, a sample in each line and the rest in a line of its own; also packed by gzip."""

    user_id = serializers.CharField(required=False)
    samples = Sample(many=True, required=False, help_text="Up to 10,000.")
    deleted = serializers.ListField(
        child=serializers.CharField(max_length=MAX_TEXT),
        max_length=10_000,
        required=False,
        help_text="Ids of samples that are gone, for good.",
    )
    complete_from = serializers.DateTimeField(
        required=False, help_text="What was pushed before, starts in this window and is not among the samples, is gone."
    )
    complete_to = serializers.DateTimeField(required=False, help_text="Exclusive.")


class RejectedRecord(serializers.Serializer[Any]):
    index = serializers.IntegerField(required=False)
    list = serializers.CharField(required=False, help_text="Where the index is not one of a record or a sample.")
    errors = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))  # type: ignore[assignment]  # DRF has one of that name, which answers are not asked for


class SyncAnswer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = RejectedRecord(many=True)
    counted_in = serializers.ListField(child=serializers.UUIDField())
    removed = serializers.IntegerField(required=False, help_text="Samples that are gone; only for samples.")


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
    """Either the last days or a span; both ends included."""

    days = serializers.IntegerField(
        min_value=1, max_value=MOST_DAYS, default=7, help_text="So many days, the last of them today or `to`."
    )
    to = serializers.DateField(input_formats=["%Y-%m-%d"], required=False, help_text="Without it: today.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a word of Python's."""
        first = serializers.DateField(
            input_formats=["%Y-%m-%d"],
            required=False,
            help_text=f"Instead of `days`; up to {MOST_DAYS} days, none before {FIRST_DAY}.",
        )
        return {**super().get_fields(), "from": first}

    def validate(self, query: dict[str, Any]) -> dict[str, Any]:
        if "from" in query and "days" in self.initial_data:
            raise serializers.ValidationError({"days": ["Say either how many days or the first one."]})
        return query


class RecentActivity(DayAnswer):
    source = serializers.CharField()  # type: ignore[assignment]  # as in Record
    synced_at = serializers.DateTimeField()


class InsightsQuery(serializers.Serializer[Any]):
    goal = serializers.IntegerField(
        min_value=1, max_value=LIMITS["steps"][0], default=DEFAULT_GOAL, help_text="Steps a day."
    )


class StreakAnswer(serializers.Serializer[Any]):
    current = serializers.IntegerField(help_text="Days in a row with the goal; today breaks none before it is over.")
    longest = serializers.IntegerField()


class BestDayAnswer(serializers.Serializer[Any]):
    date = serializers.DateField()
    steps = serializers.IntegerField()


class TrendAnswer(serializers.Serializer[Any]):
    days = serializers.IntegerField(help_text="How many days of this week are over, from Monday on.")
    this_week = serializers.IntegerField(help_text="Steps on those days.")
    last_week = serializers.IntegerField(help_text="Steps on the same days of last week.")
    change = serializers.FloatField(allow_null=True, help_text="Per cent.")


class ProgressAnswer(serializers.Serializer[Any]):
    goal = serializers.IntegerField()
    steps = serializers.IntegerField()
    progress = serializers.FloatField(help_text="Per cent of the goal.")


class HabitsAnswer(serializers.Serializer[Any]):
    goal = serializers.IntegerField(help_text="Steps a day.")
    streak = StreakAnswer()
    best_day = BestDayAnswer(allow_null=True)
    trend = TrendAnswer()
    today = ProgressAnswer()
    week = ProgressAnswer(help_text="Since Monday, of seven times the day's goal.")


class PaceAnswer(serializers.Serializer[Any]):
    points = serializers.IntegerField(help_text="What is missing.")
    per_day = serializers.IntegerField(help_text="On each day that is left, today included.")


class ForecastAnswer(serializers.Serializer[Any]):
    score = serializers.IntegerField()
    low = serializers.IntegerField()
    high = serializers.IntegerField()


class OutlookAnswer(serializers.Serializer[Any]):
    competition_id = serializers.UUIDField()
    name = serializers.CharField()
    score = serializers.IntegerField()
    rank = serializers.IntegerField()
    days_left = serializers.IntegerField(help_text="Today included.")
    next_rank = PaceAnswer(allow_null=True, help_text="Null for whoever leads.")
    forecast = ForecastAnswer(
        allow_null=True,
        help_text="The final score by the person's last 28 days, with a range that most finishes fall into; null with "
        "fewer than three days to go by.",
    )


class InsightsAnswer(HabitsAnswer):
    competitions = OutlookAnswer(many=True)


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
    insights = HabitsAnswer()
