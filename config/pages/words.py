"""What pages say about dates, places and amounts, for somebody who reads it in a zone of their own. Pure."""

from datetime import date, datetime, time, timedelta

from config.core.clock import zone_named
from fitness.rules import Source


def day_in_words(day: date, today: date) -> str:
    """``today``, ``yesterday``, ``Friday 20 November``, and the year where it is another."""
    near = {0: "today", 1: "tomorrow", -1: "yesterday"}.get((day - today).days)
    return near or f"{day:%A} {day.day} {day:%B}{'' if day.year == today.year else f' {day.year}'}"


def moment_in_words(at: datetime, zone: str, now: datetime) -> str:
    """``Sunday 29 November, 14:00`` there."""
    there = zone_named(zone)
    local = at.astimezone(there)
    return f"{day_in_words(local.date(), now.astimezone(there).date())}, {local:%H:%M}"


def end_in_words(at: datetime, zone: str, now: datetime) -> str:
    """``at`` is exclusive: midnight is the end of the day before."""
    there = zone_named(zone)
    local = at.astimezone(there)
    if local.time() == time():
        return f"the end of {day_in_words(local.date() - timedelta(days=1), now.astimezone(there).date())}"
    return moment_in_words(at, zone, now)


def place_in_words(zone: str) -> str:
    """``America/New_York`` → ``New York time``."""
    return "UTC" if zone in ("", "UTC") else f"{zone.rpartition('/')[2].replace('_', ' ')} time"


def counted(number: int, one: str, several: str) -> str:
    """``1, "step", "steps"`` → ``1 step``."""
    return f"{number:,} {one if number == 1 else several}"


def app_in_words(app: str) -> str:
    """``health_connect`` → ``Health Connect``; a name that somebody gave stays as it is."""
    known = app in set(Source) - {Source.MANUAL, Source.OTHER}
    return app.replace("_", " ").title() if known else app.replace("_", " ")
