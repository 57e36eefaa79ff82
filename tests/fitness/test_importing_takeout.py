"""Google Takeout's zip: Google Fit and Fitbit."""

import io
import json
import zipfile
from decimal import Decimal
from typing import Any

import pytest

from fitness.importers.formats import format_of
from fitness.importers.items import Item, WrongFile

STEPS = "derived:com.google.step_count.delta:com.google.android.gms:merge_step_deltas"
FIT = "Takeout/Fit/All Data/"
DAYS = "Takeout/Fit/Daily activity metrics/"
FITBIT = "Takeout/Fitbit/Global Export Data/"
NANOS = 10**9
EIGHT = 1709280000  # 2024-03-01T08:00:00Z


def takeout(members: dict[str, str]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Takeout/archive_browser.html", "<html></html>")
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def point(**changes: Any) -> dict[str, Any]:
    return {
        "fitValue": [{"value": {"intVal": 23}}],
        "originDataSourceId": "raw:com.google.step_count.cumulative:Google:Pixel 7:00ff:Step Counter",
        "endTimeNanos": (EIGHT + 60) * NANOS,
        "dataTypeName": "com.google.step_count.delta",
        "startTimeNanos": EIGHT * NANOS,
        "modifiedTimeMillis": 1709280100000,
        "rawTimestampNanos": 0,
    } | changes


def stream(*points: Any, source: str = STEPS, indent: int | None = 2) -> str:
    return json.dumps({"Data Source": source, "Data Points": list(points)}, indent=indent)


def read(members: dict[str, str]) -> list[Item]:
    file = io.BytesIO(takeout(members))
    known = format_of(file)
    assert known.name == "google-takeout"
    return list(known.read(file))


def samples(members: dict[str, str]) -> list[dict[str, Any]]:
    items = read(members)
    assert not [item for item in items if item.problem]
    return [item.sample for item in items if item.sample]


# --- Google Fit ---


@pytest.mark.parametrize("indent", [None, 2])
def test_a_point_of_a_merged_stream_becomes_a_sample(indent: int | None) -> None:
    (sample,) = samples({f"{FIT}x.json": stream(point(), indent=indent)})
    assert sample.pop("id").startswith("google_fit:")
    assert sample == {
        "type": "steps",
        "start": "2024-03-01T08:00:00+00:00",
        "end": "2024-03-01T08:01:00+00:00",
        "value": 23,
        "unit": "count",
        "source": {"app": "google_fit", "device": "Google Pixel 7 00ff"},
        "recording": "automatic",
    }


@pytest.mark.parametrize(
    ("type_", "merge", "value", "found"),
    [
        ("com.google.distance.delta", "merge_distance_delta", 17.25, ("distance", Decimal("17.25"), "m")),
        ("com.google.calories.expended", "merge_calories_expended", 1.5, ("calories", Decimal("1.5"), "kcal")),
        ("com.google.active_minutes", "merge_active_minutes", 3, ("active_minutes", Decimal(3), "min")),
    ],
)
def test_the_other_metrics(type_: str, merge: str, value: Any, found: tuple[str, Decimal, str]) -> None:
    kind = "intVal" if isinstance(value, int) else "fpVal"
    said = point(dataTypeName=type_, fitValue=[{"value": {kind: value}}])
    source = f"derived:{type_}:com.google.android.gms:{merge}"
    (sample,) = samples({f"{FIT}y.json": stream(said, source=source)})
    assert (sample["type"], sample["value"], sample["unit"]) == found


def test_streams_that_hold_the_same_again_are_left_out() -> None:
    raw = stream(point(), source="raw:com.google.step_count.delta:com.google.android.apps.fitness:user_input")
    shown = stream(point(), source="derived:com.google.step_count.delta:com.google.android.gms:estimated_steps")
    heart = stream(point(), source="derived:com.google.heart_rate.bpm:com.google.android.gms:merge_heart_rate_bpm")
    table = "Start time,End time,Step count\n08:00:00.000+00:00,08:15:00.000+00:00,23\n"
    found = samples(
        {"a.json": raw, "b.json": shown, "c.json": heart, f"{DAYS}2024-03-01.csv": table, "d.json": stream(point())}
    )
    assert len(found) == 1


def test_what_was_typed_in_is_manual() -> None:
    typed = point(originDataSourceId="raw:com.google.step_count.delta:com.google.android.apps.fitness:user_input")
    (sample,) = samples({"a.json": stream(typed)})
    assert sample["recording"] == "manual"


def test_a_long_stream_is_read_across_the_pieces_it_comes_in() -> None:
    points = [
        point(startTimeNanos=(EIGHT + 60 * n) * NANOS, endTimeNanos=(EIGHT + 60 * n + 60) * NANOS) for n in range(2000)
    ]
    found = samples({"a.json": stream(*points)})
    assert len({sample["id"] for sample in found}) == 2000


def test_without_the_streams_the_daily_tables_count() -> None:
    table = (
        "Start time,End time,Move Minutes count,Calories (kcal),Distance (m),Step count\n"
        "08:00:00.000+13:00,08:15:00.000+13:00,5,20.5,300.25,400\n"
        "23:45:00.000+13:00,00:00:00.000+13:00,,18.2,,\n"
    )
    steps, metres, kcal, minutes, late = samples(
        {f"{DAYS}2024-03-01.csv": table, f"{DAYS}Daily activity metrics.csv": "Date\n"}
    )
    assert (steps["start"], steps["end"]) == ("2024-03-01T08:00:00+13:00", "2024-03-01T08:15:00+13:00")
    assert (late["start"], late["end"]) == ("2024-03-01T23:45:00+13:00", "2024-03-02T00:00:00+13:00")
    amounts = [(sample["type"], sample["value"], sample["zone"]) for sample in (steps, metres, kcal, minutes)]
    assert amounts == [
        ("steps", 400, "+13:00"),
        ("distance", Decimal("300.25"), "+13:00"),
        ("calories", Decimal("20.5"), "+13:00"),
        ("active_minutes", 5, "+13:00"),
    ]


# --- Fitbit ---


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("steps", "12", ("steps", 12, "count")),
        ("distance", "950", ("distance", Decimal("9.5"), "m")),
        ("calories", "1.18", ("calories", Decimal("1.18"), "kcal")),
    ],
)
def test_a_minute_of_fitbit(name: str, value: str, found: tuple[str, Any, str]) -> None:
    entries = [{"dateTime": "03/01/24 08:00:00", "value": value}, {"dateTime": "03/01/24 08:01:00", "value": "0"}]
    (sample,) = samples({f"{FITBIT}{name}-2024-03-01.json": json.dumps(entries, indent=1)})
    assert (sample["type"], sample["value"], sample["unit"]) == found
    assert (sample["start"], sample["end"]) == ("2024-03-01T08:00:00+00:00", "2024-03-01T08:01:00+00:00")
    assert sample["source"] == {"app": "fitbit", "device": ""}


def test_the_newer_tables_of_fitbit_count_where_the_older_are_missing() -> None:
    table = "timestamp,steps,data source\n2024-03-01T08:00:00Z,12,Charge 5\n"
    (sample,) = samples({"Takeout/Fitbit/Physical Activity_GoogleData/steps_2024-03-01.csv": table})
    assert (sample["value"], sample["source"]["device"]) == (12, "Charge 5")
    older = json.dumps([{"dateTime": "03/01/24 08:00:00", "value": "12"}])
    (sample,) = samples({"steps_2024-03-01.csv": table, "steps-2024-03-01.json": older})
    assert sample["source"]["device"] == ""


# --- Damage and hostility ---


@pytest.mark.parametrize(
    "bad",
    [
        {"fitValue": []},
        {"fitValue": [{"value": {"intVal": "many"}}]},
        {"startTimeNanos": "soon"},
        {"endTimeNanos": 10**40},
        {"dataTypeName": "com.google.weight"},
        {"fitValue": [{"value": 7}]},
    ],
)
def test_a_bad_point_is_named_and_its_neighbours_are_read(bad: dict[str, Any]) -> None:
    first, problem, last = read({"a.json": stream(point(), point(**bad), point())})
    assert first.sample
    assert last.sample
    assert problem.place == "a.json: point 2"
    assert problem.problem


@pytest.mark.parametrize("points", ['[1, "x", null, [[]], {}]', "[NaN, 1e999, {}]"])
def test_points_that_are_none(points: str) -> None:
    items = read({"a.json": f'{{"Data Source": "{STEPS}", "Data Points": {points}}}'})
    assert items
    assert all(item.problem for item in items)


@pytest.mark.parametrize(
    "rest", ['{"fitValue": [{', "[" * 1_000_000, '{"x": "' + "y" * 3_000_000, "nonsense", "9" * 100_000]
)
def test_a_member_that_breaks_off_is_named_and_the_next_one_is_read(rest: str) -> None:
    broken = stream(point()).rstrip("]}\n ") + "}, " + rest
    broken = broken.replace("}]}, ", "}]}, ")
    first, damage, other = read({"a.json": broken, "b.json": stream(point())})
    assert first.sample
    assert other.sample
    assert damage.problem.startswith("The file is damaged, nothing after this was read.")
    assert damage.place == "a.json: after 1"


def test_a_line_without_end_is_damage() -> None:
    table = "timestamp,steps,data source\n2024-03-01T08:00:00Z,12,x\n" + "y" * 1_000_000
    first, damage = read({"steps_2024-03-01.csv": table})
    assert first.sample
    assert "Line 3 is longer than 65536 bytes." in damage.problem


@pytest.mark.parametrize("members", [{}, {"x.json": "{}"}, {"steps-2024-03-01.json": "[]"}, {"a.csv": "Date,Steps\n"}])
def test_a_zip_with_nothing_that_is_taken_is_refused(members: dict[str, str]) -> None:
    with pytest.raises(WrongFile, match="none of"):
        format_of(io.BytesIO(takeout(members)))
