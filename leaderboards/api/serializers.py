from decimal import Decimal
from typing import Any

from rest_framework import serializers

from competitions.api.serializers import CompetitionAnswer
from config.core.api import PageQuery, plain_text
from leaderboards.models import Correction
from leaderboards.scoring import MAX_SCORE
from leaderboards.watching import FRAME_ROWS, MOST_NEIGHBOURS, MOST_ROWS, MOST_WAIT_SECONDS

_MOST = Decimal(10**9)


class BoardQuery(serializers.Serializer[Any]):
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)
    offset = serializers.IntegerField(min_value=0, max_value=2**31, default=0)
    around = serializers.CharField(required=False, help_text="me or a user id: a window around that person.")
    wait = serializers.IntegerField(
        min_value=0,
        max_value=MOST_WAIT_SECONDS,
        default=0,
        help_text="With If-None-Match: answer when something has changed, or with 304 after so many seconds.",
    )


class StreamQuery(serializers.Serializer[Any]):
    mode = serializers.ChoiceField(
        choices=["snapshot", "delta"], default="snapshot", help_text="delta: after the first event only what changed."
    )
    limit = serializers.IntegerField(min_value=1, max_value=MOST_ROWS, default=FRAME_ROWS)
    window = serializers.IntegerField(
        min_value=1,
        max_value=MOST_NEIGHBOURS,
        required=False,
        help_text="One's own row and so many neighbours on each side, instead of the top.",
    )
    epoch = serializers.CharField(required=False, help_text="With version: what one has seen; goes on from there.")
    version = serializers.CharField(required=False)
    ticket = serializers.CharField(required=False)
    token = serializers.CharField(required=False)


class Entry(serializers.Serializer[Any]):
    user_id = serializers.UUIDField()
    user_name = serializers.CharField()
    avatar = serializers.CharField(allow_null=True, help_text="URL of a square of 96 pixels, or less.")
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


class TicketBody(serializers.Serializer[Any]):
    competition_id = serializers.CharField(
        max_length=64, required=False, help_text="For a ticket that reads this board until it expires."
    )
    ticket = serializers.CharField(
        max_length=1024, required=False, help_text="A board's ticket that still holds, for a fresh one; needs no token."
    )

    def validate(self, body: dict[str, Any]) -> dict[str, Any]:
        if len(body) > 1:
            both = "Send either a competition_id or a ticket."
            raise serializers.ValidationError({name: [both] for name in body})
        return body


class TicketAnswer(serializers.Serializer[Any]):
    ticket = serializers.CharField()
    expires_at = serializers.DateTimeField(help_text="Until when somebody may come in with it.")


class CorrectionBody(serializers.Serializer[Any]):
    """A bonus or, negative, a penalty. With an ``id`` of the sender's own, sending it again changes nothing."""

    id = serializers.UUIDField(required=False)
    user_id = serializers.UUIDField()
    points = serializers.IntegerField(min_value=-MAX_SCORE, max_value=MAX_SCORE)
    reason = serializers.CharField(max_length=1000, validators=[plain_text])


class CorrectionsQuery(PageQuery):
    user_id = serializers.CharField(max_length=64, required=False, help_text="me or a user id: theirs alone.")


class CorrectionAnswer(serializers.Serializer[Correction]):
    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    points = serializers.IntegerField(help_text="Negative: a penalty.")
    reason = serializers.CharField()
    made_by = serializers.UUIDField(source="made_by_id")
    made_at = serializers.DateTimeField()


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
