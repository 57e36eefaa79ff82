"""FIT, GPX and TCX."""

import io
import struct
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fitness.importers import workouts
from fitness.importers.formats import format_of
from fitness.importers.items import Item, WrongFile

EIGHT = datetime(2024, 3, 1, 8, tzinfo=UTC)


def read(content: bytes, name: str) -> list[Item]:
    file = io.BytesIO(content)
    known = format_of(file)
    assert known.name == name
    return list(known.read(file))


def samples(items: list[Item]) -> list[dict[str, Any]]:
    assert not [item for item in items if item.problem]
    return [item.sample for item in items if item.sample]


def amounts(items: list[Item]) -> list[tuple[str, str, str, Any]]:
    return [(s["type"], s["start"][11:19], s["end"][11:19], s["value"]) for s in samples(items)]


# --- FIT: written as the protocol says, a definition before each message ---

FORMATS = {0: "B", 132: "H", 134: "I"}  # enum, uint16, uint32


def message(number: int, *fields: tuple[int, int, int]) -> bytes:
    """``fields``: number, base type, value."""
    sizes = [(field, struct.calcsize(FORMATS[base]), base) for field, base, _ in fields]
    definition = b"\x40\x00\x00" + struct.pack("<HB", number, len(fields)) + b"".join(map(bytes, sizes))
    return definition + b"\x00" + b"".join(struct.pack("<" + FORMATS[base], value) for _, base, value in fields)


def fit_crc(data: bytes) -> int:
    table = [0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401, 0xA001, 0x6C00, 0x7800, 0xB401]
    table += [0x5000, 0x9C01, 0x8801, 0x4400]
    crc = 0
    for byte in data:
        for nibble in (byte & 0xF, byte >> 4):
            crc = (crc >> 4) ^ table[crc & 0xF] ^ table[nibble]
    return crc


def fit(*messages: bytes) -> bytes:
    body = b"".join(messages)
    header = struct.pack("<BBHI4s", 14, 0x10, 2132, len(body), b".FIT")
    header += struct.pack("<H", fit_crc(header))
    return header + body + struct.pack("<H", fit_crc(header + body))


def stamp(moment: datetime) -> int:
    return int(moment.timestamp()) - 631065600


FILE_ID = message(0, (0, 0, 4), (1, 132, 1), (2, 132, 3589))  # an activity, of Garmin


def lap(minute: int, *, number: int = 19, sport: int = 25) -> bytes:
    start = stamp(EIGHT) + minute * 60
    return message(
        number,
        *((253, 134, start + 600), (2, 134, start), (7, 134, 600_000), (8, 134, 540_000)),
        *((9, 134, 200_000), (10, 134, 800), (11, 132, 120), (sport, 0, 1)),
    )


def test_a_lap_of_a_fit_file_becomes_samples() -> None:
    items = read(fit(FILE_ID, lap(0), lap(10)), "fit")
    first = samples(items)[0]
    assert amounts(items) == [
        ("distance", "08:00:00", "08:10:00", 2000),
        ("calories", "08:00:00", "08:10:00", 120),
        ("active_minutes", "08:00:00", "08:10:00", 540),
        ("steps", "08:00:00", "08:10:00", 1600),
        ("distance", "08:10:00", "08:20:00", 2000),
        ("calories", "08:10:00", "08:20:00", 120),
        ("active_minutes", "08:10:00", "08:20:00", 540),
        ("steps", "08:10:00", "08:20:00", 1600),
    ]
    assert (first["recording"], first["source"]["app"], first["unit"]) == ("active", "garmin", "m")
    assert len({sample["id"] for sample in samples(items)}) == 8


def test_without_laps_the_session_counts_and_never_both() -> None:
    session = lap(0, number=18, sport=5)
    assert len(samples(read(fit(FILE_ID, session), "fit"))) == 4
    assert len(samples(read(fit(FILE_ID, lap(0), session), "fit"))) == 4


def test_the_watchs_own_clock_says_the_zone() -> None:
    activity = message(34, (253, 134, stamp(EIGHT)), (5, 134, stamp(EIGHT) + 13 * 3600))
    assert {sample["zone"] for sample in samples(read(fit(FILE_ID, lap(0), activity), "fit"))} == {"+13:00"}


def test_a_fit_file_that_breaks_off_keeps_its_laps() -> None:
    whole = fit(FILE_ID, lap(0), lap(10))
    *good, damage = read(whole[:-40], "fit")
    assert len(good) == 4
    assert (damage.place, damage.problem[:20]) == ("lap 1", "The file is damaged,")
    *good, damage = read(whole[:-1] + b"\x00", "fit")
    assert len(good) == 8
    assert "CRC" in damage.problem


def test_a_fit_file_that_is_no_workout_says_so() -> None:
    (problem,) = read(fit(FILE_ID), "fit")
    assert "neither a lap nor a session" in problem.problem


def test_a_lap_without_a_start_is_named() -> None:
    items = read(fit(FILE_ID, message(19, (7, 134, 600_000), (9, 134, 200_000)), lap(0)), "fit")
    assert items[0].place == "lap 1"
    assert items[0].problem
    assert len(items) == 5


@pytest.mark.parametrize("seed", range(20))
def test_bytes_turned_over_in_a_fit_file_are_never_a_failure(seed: int) -> None:
    whole = bytearray(fit(FILE_ID, lap(0), lap(10)))
    whole[14 + seed * 7] ^= 0xFF
    assert any(item.problem for item in read(bytes(whole), "fit"))


# --- GPX ---

GPX = '<?xml version="1.0"?>\n<gpx version="1.1" creator="Strava" xmlns="http://www.topografix.com/GPX/1/1">{}</gpx>'


def gpx(*minutes: int) -> bytes:
    """Points a thousandth of a degree apart to the north, 111.2 m."""
    points = [
        f'<trkpt lat="{50 + number / 1000}" lon="8"><time>2024-03-01T08:{at:02}:00Z</time></trkpt>'
        for number, at in enumerate(minutes)
    ]
    return GPX.format(f"<trk><trkseg>{''.join(points)}</trkseg></trk>").encode()


def test_a_track_becomes_stretches_of_ten_minutes_that_leave_pauses_out() -> None:
    found = amounts(read(gpx(*range(12), 40, 41), "gpx"))
    assert [(type_, start, end) for type_, start, end, _ in found] == [
        ("distance", "08:00:00", "08:10:00"),
        ("active_minutes", "08:00:00", "08:10:00"),
        ("distance", "08:10:00", "08:11:00"),
        ("active_minutes", "08:10:00", "08:11:00"),
        ("distance", "08:40:00", "08:41:00"),
        ("active_minutes", "08:40:00", "08:41:00"),
    ]
    assert float(found[0][3]) == pytest.approx(1112, abs=2)
    assert float(found[4][3]) == pytest.approx(111.2, abs=0.3)
    assert [seconds for type_, *_, seconds in found if type_ == "active_minutes"] == [600, 60, 60]


def test_the_creator_is_the_app() -> None:
    sample = samples(read(gpx(0, 1), "gpx"))[0]
    assert (sample["source"]["app"], sample["recording"]) == ("Strava", "active")


@pytest.mark.parametrize(
    "inside",
    ["", '<trk><trkseg><trkpt lat="1" lon="1"/><trkpt lat="1" lon="2"/></trkseg></trk>', '<wpt lat="1" lon="1"/>'],
)
def test_a_track_without_times_is_a_problem(inside: str) -> None:
    (problem,) = read(GPX.format(inside).encode(), "gpx")
    assert "no track with times" in problem.problem


@pytest.mark.parametrize(
    "content",
    [gpx(0, 1)[:-10], gpx(0, 1).replace(b'lat="50', b'lat="north')],
)
def test_a_damaged_track_is_a_problem(content: bytes) -> None:
    (problem,) = read(content, "gpx")
    assert problem.problem.startswith("The file is damaged")


def test_clocks_that_go_back_are_no_distance() -> None:
    found = amounts(read(gpx(5, 3, 4), "gpx"))
    assert [start for _, start, _, _ in found] == ["08:03:00", "08:03:00"]


# --- TCX ---

TCX = """<?xml version="1.0" encoding="UTF-8"?>
<TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"
 xmlns:ns3="http://www.garmin.com/xmlschemas/ActivityExtension/v2">
<Activities><Activity Sport="Running"><Id>2024-03-01T08:00:00.000Z</Id>
{}
<Creator><Name>Forerunner 245</Name></Creator></Activity></Activities></TrainingCenterDatabase>"""
LAP = """<Lap StartTime="2024-03-01T08:{minute:02}:00.000Z"><TotalTimeSeconds>300.0</TotalTimeSeconds>
<DistanceMeters>1000.5</DistanceMeters><Calories>70</Calories>
<Track><Trackpoint><Time>2024-03-01T08:01:00.000Z</Time><DistanceMeters>7</DistanceMeters></Trackpoint></Track>
<Extensions><ns3:LX><ns3:Steps>812</ns3:Steps></ns3:LX></Extensions></Lap>"""


def test_a_lap_of_a_tcx_file_becomes_samples() -> None:
    items = read(TCX.format(LAP.format(minute=0) + LAP.format(minute=5)).encode(), "tcx")
    assert amounts(items)[:5] == [
        ("distance", "08:00:00", "08:05:00", Decimal("1000.5")),
        ("calories", "08:00:00", "08:05:00", 70),
        ("active_minutes", "08:00:00", "08:05:00", 300),
        ("steps", "08:00:00", "08:05:00", 812),
        ("distance", "08:05:00", "08:10:00", Decimal("1000.5")),
    ]
    assert samples(items)[0]["source"] == {"app": "tcx", "device": "Forerunner 245", "kind": "other"}


def test_a_bad_lap_is_named_and_a_broken_end_too() -> None:
    bad = LAP.format(minute=0).replace("300.0", "long")
    items = read(
        TCX.format(bad + LAP.format(minute=5)).encode().removesuffix(b"</Activities></TrainingCenterDatabase>"), "tcx"
    )
    assert [(item.place, bool(item.problem)) for item in items[:2]] == [("lap 1", True), ("lap 2", False)]
    assert items[-1].problem.startswith("The file is damaged")


@pytest.mark.parametrize("seconds", ["NaN", "inf", "1e300", "-5"])
def test_lengths_that_are_none_are_named_or_left_to_the_rules_of_samples(seconds: str) -> None:
    items = read(TCX.format(LAP.format(minute=0).replace("300.0", seconds)).encode(), "tcx")
    assert items


# --- Bounds ---


@pytest.mark.parametrize("kind", ["gpx", "tcx"])
def test_entities_in_a_workout_are_refused(kind: str) -> None:
    content = {"gpx": gpx(0, 1).decode(), "tcx": TCX.format(LAP.format(minute=0))}[kind]
    root = {"gpx": "gpx", "tcx": "TrainingCenterDatabase"}[kind]
    hostile = content.replace("?>", f'?><!DOCTYPE {root} [<!ENTITY a "b">]>', 1)
    with pytest.raises(WrongFile, match="declares entities"):
        read(hostile.encode(), kind)


def test_the_size_of_a_workout_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workouts, "MAX_BYTES", 1000)
    for content, name in ((gpx(*range(50)), "gpx"), (fit(FILE_ID, *[lap(0)] * 50), "fit")):
        with pytest.raises(WrongFile, match="1000 bytes at most"):
            read(content, name)
    monkeypatch.undo()
    monkeypatch.setattr(workouts, "MAX_POINTS", 10)
    with pytest.raises(WrongFile, match="10 points at most"):
        read(gpx(*range(11)), "gpx")
    monkeypatch.setattr(workouts, "MAX_LAPS", 2)
    with pytest.raises(WrongFile, match="2 laps at most"):
        read(TCX.format(LAP.format(minute=0) * 3).encode(), "tcx")


@pytest.mark.slow
def test_of_a_fit_message_only_what_is_needed_is_kept() -> None:
    """Ten thousand of these in a file of three megabytes would otherwise be a fifth of a gigabyte."""
    fields = bytes(byte for number in range(250) for byte in (number, 1, 2))
    definition = b"\x40\x00\x00" + struct.pack("<HB", 19, 250) + fields
    content = io.BytesIO(fit(definition, *[b"\x00" + bytes(250)] * 50))
    list(workouts.read_fit(content))  # loads the library
    content.seek(0)
    tracemalloc.start()
    list(workouts.read_fit(content))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 500_000


def test_whatever_a_track_is_full_of_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workouts, "MAX_POINTS", 10)
    monkeypatch.setattr(workouts, "MAX_ELEMENTS", 100)
    many = b'<gpx version="1.1"><extensions>' + b"<a/>" * 100 + b"</extensions></gpx>"
    with pytest.raises(WrongFile, match="100 elements at most"):
        read(many, "gpx")
    with pytest.raises(WrongFile, match="10 points at most"):
        read(b'<gpx version="1.1">' + b'<wpt lat="1" lon="2"/>' * 11 + b"</gpx>", "gpx")


@pytest.mark.parametrize("nowhere", ["inf", "nan", "-91"])
def test_a_point_that_is_nowhere_is_left_out_of_its_track(nowhere: str) -> None:
    whole = gpx(0, 1, 2)
    first = whole.index(b'lat="') + 5
    lost = whole[:first] + nowhere.encode() + whole[whole.index(b'"', first) :]
    assert amounts(read(lost, "gpx"))[0][1:3] == ("08:01:00", "08:02:00")


def test_no_text_of_a_lap_is_kept_whole() -> None:
    for name, broken in (("TotalTimeSeconds>", "300.0"), ('StartTime="', "2024")):
        long = LAP.format(minute=0).replace(name + broken, name + "9" * 100_000, 1)
        assert "9" * 100_000 in long
        content = io.BytesIO(TCX.format(long * 50).encode())
        tracemalloc.start()
        list(workouts.read_tcx(content))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 2_000_000
