"""Insights as the wire has them."""

from dataclasses import asdict
from typing import Any

from fitness.insights import Habits, Progress
from fitness.queries.insights import Insights, Outlook


def insights_answer(insights: Insights) -> dict[str, Any]:
    outlooks = [_outlook_answer(outlook) for outlook in insights.outlooks]
    return {**habits_answer(insights.habits), "competitions": outlooks}


def habits_answer(habits: Habits) -> dict[str, Any]:
    best = habits.best_day
    return {
        "goal": habits.goal,
        "streak": asdict(habits.streaks),
        "best_day": {"date": best.day, "steps": best.steps} if best else None,
        "trend": asdict(habits.trend),
        "today": _progress_answer(habits.today),
        "week": _progress_answer(habits.week),
    }


def _progress_answer(progress: Progress) -> dict[str, Any]:
    return {"goal": progress.goal, "steps": progress.steps, "progress": progress.per_cent}


def _outlook_answer(outlook: Outlook) -> dict[str, Any]:
    return {
        "competition_id": outlook.competition.id,
        "name": outlook.competition.name,
        "score": outlook.score,
        "rank": outlook.rank,
        "days_left": outlook.days_left,
        "next_rank": asdict(outlook.next_rank) if outlook.next_rank else None,
        "forecast": asdict(outlook.forecast) if outlook.forecast else None,
    }
