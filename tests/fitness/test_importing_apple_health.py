"""Apple Health's export.xml and its zip."""

import io
import time
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fitness.importers import archives, markup
from fitness.importers.formats import format_of
from fitness.importers.items import Item, WrongFile
from fitness.plausibility import StoredSample, sample_hits
from fitness.samples import read_sample

DOCTYPE = """<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 12 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout)*)>
<!ATTLIST HealthData
  locale CDATA #REQUIRED
>
]>
"""
BROKEN_DOCTYPE = """<!DOCTYPE HealthData [
<!ATTLIST VisionPrescription
  type CDATA #REQUIRED
<!ELEMENT Eye EMPTY>
  device CDATA #IMPLIED
>
]>
"""
WATCH = (
    "&lt;&lt;HKDevice: 0x28c4f1a40&gt;, name:Apple Watch, manufacturer:Apple Inc., model:Watch, hardware:Watch6,2,"
    " software:10.3&gt;"
)


def record(inside: str = "", **changes: str) -> str:
    attributes = {
        "type": "HKQuantityTypeIdentifierStepCount",
        "sourceName": "Ada’s Apple\xa0Watch",
        "device": WATCH,
        "unit": "count",
        "creationDate": "2024-03-01 08:10:00 +0100",
        "startDate": "2024-03-01 08:00:00 +0100",
        "endDate": "2024-03-01 08:05:00 +0100",
        "value": "120",
    } | changes
    listed = " ".join(f'{name}="{value}"' for name, value in attributes.items() if value)
    return f"<Record {listed}>{inside}</Record>\n" if inside else f"<Record {listed}/>\n"


def export(*records: str, doctype: str = DOCTYPE) -> bytes:
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{doctype}<HealthData locale="en_GB">\n{"".join(records)}</HealthData>'
    )
    return text.encode()


def zipped(**members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def read(content: bytes) -> list[Item]:
    file = io.BytesIO(content)
    known = format_of(file)
    assert known.name == "apple-health"
    return list(known.read(file))


def samples(content: bytes) -> list[dict[str, Any]]:
    items = read(content)
    assert not [item.problem for item in items if item.problem]
    return [item.sample for item in items if item.sample]


# --- What is taken ---


def test_a_record_becomes_a_sample_of_the_wire() -> None:
    (sample,) = samples(export(record()))
    assert sample.pop("id").startswith("apple:")
    assert sample == {
        "version": 1709277000,
        "type": "steps",
        "start": "2024-03-01T08:00:00+01:00",
        "end": "2024-03-01T08:05:00+01:00",
        "value": 120,
        "unit": "count",
        "source": {"app": "apple_health", "device": "Ada’s Apple\xa0Watch (Watch6,2)", "kind": "watch"},
        "recording": "automatic",
        "zone": "+01:00",
    }


@pytest.mark.parametrize(
    ("type_", "unit", "value", "found"),
    [
        ("DistanceWalkingRunning", "km", "0.4321", ("distance", Decimal("0.4321"), "km")),
        ("DistanceCycling", "mi", "2.5", ("distance", Decimal("2.5"), "mi")),
        ("DistanceWheelchair", "m", "100", ("distance", Decimal(100), "m")),
        ("DistanceSwimming", "m", "25", ("distance", Decimal(25), "m")),
        ("ActiveEnergyBurned", "Cal", "3.2", ("calories", Decimal("3.2"), "kcal")),
        ("ActiveEnergyBurned", "kJ", "13", ("calories", Decimal(13), "kJ")),
        ("AppleExerciseTime", "min", "1", ("active_minutes", Decimal(1), "min")),
        ("StepCount", "count", "38.75", ("steps", 38, "count")),
    ],
)
def test_types_and_units(type_: str, unit: str, value: str, found: tuple[str, Any, str]) -> None:
    (sample,) = samples(export(record(type=f"HKQuantityTypeIdentifier{type_}", unit=unit, value=value)))
    assert (sample["type"], sample["value"], sample["unit"]) == found


def test_other_types_and_the_copies_inside_a_correlation_are_left_out() -> None:
    heart = record(type="HKQuantityTypeIdentifierHeartRate", value="61")
    assert len(samples(export(heart, record(), f"<Correlation>{record()}</Correlation>"))) == 1


def test_what_was_typed_in_is_manual_and_knows_its_zone() -> None:
    inside = '<MetadataEntry key="HKWasUserEntered" value="1"/><MetadataEntry key="HKTimeZone" value="Asia/Tokyo"/>'
    (sample,) = samples(export(record(inside)))
    assert (sample["recording"], sample["zone"]) == ("manual", "Asia/Tokyo")


@pytest.mark.parametrize("vehicle", ["Cycling", "Wheelchair"])
def test_downhill_on_wheels_is_no_sprint(vehicle: str) -> None:
    """18 m/s, 65 km/h, for a minute."""
    wheels = {"type": f"HKQuantityTypeIdentifierDistance{vehicle}", "unit": "km", "value": "1.08"}
    span = {"startDate": "2024-03-01 08:00:00 +0100", "endDate": "2024-03-01 08:01:00 +0100"}
    ((_, _, ride, _, _),) = read(export(record(**wheels, **span)))
    assert ride is not None
    assert ride["recording"] == "active"
    reading = read_sample(ride, zone="UTC", now=datetime(2024, 3, 2, tzinfo=UTC))
    stored = StoredSample(1, 1, reading.type, reading.start_at, reading.end_at, reading.amount, reading.recording)
    assert sample_hits([stored], datetime(2024, 3, 2, tzinfo=UTC)) == []


def test_a_zone_that_nobody_knows_gives_way_to_the_offset() -> None:
    (sample,) = samples(export(record('<MetadataEntry key="HKTimeZone" value="GMT+1 (summer)"/>')))
    assert sample["zone"] == "+01:00"


@pytest.mark.parametrize(
    ("name", "device", "kind"),
    [
        ("Ben’s iPhone", "&lt;&lt;HKDevice: 0x1&gt;, name:iPhone, model:iPhone, hardware:iPhone14,5&gt;", "phone"),
        ("Ben’s iPhone", "", "phone"),
        ("Oura", "&lt;&lt;HKDevice: 0x1&gt;, name:Oura Ring, model:Gen3&gt;", "ring"),
        ("Mi Fitness", "&lt;&lt;HKDevice: 0x1&gt;, name:Smart Band 8&gt;", "band"),
        ("Springboard", "", "other"),
    ],
)
def test_the_kind_of_device_is_read_from_its_description(name: str, device: str, kind: str) -> None:
    (sample,) = samples(export(record(sourceName=name, device=device)))
    assert sample["source"]["kind"] == kind


# --- The same again ---


def test_another_export_of_the_same_data_has_the_same_ids() -> None:
    """The address of the device, its software and the offset of the phone are of the export."""
    elsewhere = {
        "device": WATCH.replace("0x28c4f1a40", "0x99").replace("10.3", "11.0"),
        "creationDate": "2024-03-01 16:10:00 +0900",
        "startDate": "2024-03-01 16:00:00 +0900",
        "endDate": "2024-03-01 16:05:00 +0900",
    }
    (first,), (again,) = samples(export(record())), samples(export(record(**elsewhere)))
    assert (first["id"], first["version"]) == (again["id"], again["version"])


def test_a_correction_is_a_newer_version_of_the_same_sample() -> None:
    corrected = record(value="90", creationDate="2024-03-02 09:00:00 +0100")
    first, later = samples(export(record(), corrected))
    assert first["id"] == later["id"]
    assert first["version"] < later["version"]


@pytest.mark.parametrize(
    "change",
    [
        {"type": "HKQuantityTypeIdentifierDistanceCycling"},
        {"sourceName": "Pedometer"},
        {"startDate": "2024-03-01 08:00:01 +0100"},
        {"endDate": "2024-03-01 08:05:01 +0100"},
        {"device": WATCH.replace("Watch6,2", "Watch7,1")},
    ],
)
def test_what_differs_has_another_id(change: dict[str, str]) -> None:
    first, second = samples(export(record(), record(**change)))
    assert first["id"] != second["id"]


# --- Real oddities ---


@pytest.mark.parametrize("doctype", [DOCTYPE, BROKEN_DOCTYPE, ""])
def test_the_document_type_that_apple_writes_may_be_broken_and_lines_still_count(doctype: str) -> None:
    (item,) = read(export(record(), doctype=doctype))
    assert item.sample
    assert item.place == f"line {doctype.count(chr(10)) + 3}"


def test_control_characters_in_names_are_dropped() -> None:
    (sample,) = samples(export(record(sourceName="Ada\x0bs Phone", device="")))
    assert sample["source"]["device"] == "Adas Phone"


@pytest.mark.parametrize(
    "name", ["apple_health_export/export.xml", "apple_health_export/Exportación.xml", "a/b/数据.xml"]
)
def test_in_a_zip_the_member_counts_whose_element_is_health_data(name: str) -> None:
    cda, route = b"<?xml version='1.0'?><ClinicalDocument/>", b"<gpx version='1.1'/>"
    found = samples(zipped(**{"x/export_cda.xml": cda, "x/workout-routes/r.gpx": route, name: export(record())}))
    assert len(found) == 1


# --- Damage ---


def test_a_record_without_a_readable_amount_is_named_and_the_others_are_read() -> None:
    bad = [
        record(value="many"),
        record(startDate="yesterday"),
        record(unit=""),
        record(endDate="2024-13-01 08:00:00 +0100"),
    ]
    first, *problems, last = read(export(record(), *bad, record(value="7")))
    assert first.sample
    assert last.sample
    assert [item.place for item in problems] == ["line 11", "line 12", "line 13", "line 14"]
    assert [item.problem for item in problems] == [
        "unreadable date or number",
        "unreadable date or number",
        "no unit",
        "unreadable date or number",
    ]


@pytest.mark.parametrize("end", ["<Record type=", "", "</Nothing>", "<Record a='1' a='2'/>", "\ufffe"])
def test_a_file_that_breaks_off_keeps_what_was_good(end: str) -> None:
    whole = export(*[record(value=str(number)) for number in range(1, 500)])
    *good, damage = read(whole.removesuffix(b"</HealthData>") + end.encode("utf-8", "surrogatepass"))
    assert [item.sample["value"] for item in good if item.sample] == list(range(1, 500))
    assert damage.problem.startswith("The file is damaged, nothing after this was read. Line 5")


def test_a_zip_that_is_cut_off_inside_keeps_what_was_good() -> None:
    content = export(*[record(value=str(number)) for number in range(1, 5000)])
    packed = bytearray(zipped(**{"export.xml": content}))
    at = packed.index(b"export.xml") + 2000
    packed[at : at + 1000] = bytes(1000)
    *good, damage = read(bytes(packed))
    assert good
    assert "The file is damaged" in damage.problem


# --- Hostile files ---

LAUGHS = """<!DOCTYPE HealthData [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>"""
OUTSIDE = """<!DOCTYPE HealthData [<!ENTITY a SYSTEM "file:///etc/passwd">]>"""


@pytest.mark.parametrize("doctype", [LAUGHS, OUTSIDE, LAUGHS.replace("ENTITY a", "ENTITY % a")])
def test_entities_are_refused(doctype: str) -> None:
    with pytest.raises(WrongFile, match="declares entities"):
        read(export(record(sourceName="&b;"), doctype=doctype))


def test_a_document_type_outside_the_file_is_not_fetched() -> None:
    doctype = '<!DOCTYPE HealthData SYSTEM "http://127.0.0.1:9/x.dtd">\n'
    assert len(samples(export(record(), doctype=doctype))) == 1


def test_an_entity_that_nobody_declared_is_damage() -> None:
    (damage,) = read(export(record(sourceName="&b;")))
    assert "undefined entity" in damage.problem


def test_a_second_document_type_is_refused() -> None:
    far = b"<!-- HealthData -->" + b" " * (markup.MAX_PROLOGUE_BYTES + 10) + LAUGHS.encode() + b"<HealthData/>"
    with pytest.raises(WrongFile, match="document type"):
        list(format_of(io.BytesIO(export())).read(io.BytesIO(far)))
    with pytest.raises(WrongFile, match="does not end"):
        read(b"<!DOCTYPE HealthData [" + b" " * markup.MAX_PROLOGUE_BYTES)


def test_depth_and_the_length_of_one_element_are_bounded() -> None:
    with pytest.raises(WrongFile, match="more than 64 elements"):
        read(export("<a>" * 100_000))
    with pytest.raises(WrongFile, match="longer than 1048576 bytes"):
        read(export(f"<Record type='{'x' * 4_000_000}"))
    with pytest.raises(WrongFile, match="longer than 1048576 bytes"):
        read(export(f"<!-- {'x' * 4_000_000}"))


def test_metadata_without_end_is_not_kept() -> None:
    (sample,) = samples(export(record('<MetadataEntry key="k" value="v"/>' * 10_000)))
    assert len(sample) == 10


def test_a_zip_bomb_is_refused_while_it_inflates() -> None:
    bomb = zipped(**{"export.xml": export(record()) + b" " * 20_000_000})
    assert len(bomb) < 100_000
    with pytest.raises(WrongFile, match="inflates to more than"):
        read(bomb)


def test_members_that_share_their_bytes_are_one_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_FREE_BYTES", 0)
    monkeypatch.setattr(archives, "MAX_RATIO", 2)
    overlapping = archives.Archive(io.BytesIO(zipped(a=b"x" * 100)))
    (info,) = overlapping.members()
    fits = archives.MAX_RATIO * len(zipped(a=b"x" * 100)) // 100
    assert [len(overlapping.head(info)) for _ in range(fits)] == [100] * fits
    with pytest.raises(WrongFile, match="inflates to more than"):
        overlapping.head(info)


def test_a_table_of_contents_without_end_is_refused() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", b"")
        archive.comment = b""
    end = made.getvalue()[-22:]
    size = archives.MAX_CONTENTS_BYTES + 1
    huge = b"PK\x03\x04" + bytes(size) + end[:12] + size.to_bytes(4, "little") + (4).to_bytes(4, "little") + end[20:]
    with pytest.raises(WrongFile, match="table of contents"):
        format_of(io.BytesIO(huge))


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "C:\\x", "a\x00b", "x" * 60_000])
def test_names_inside_a_zip_reach_nothing(name: str) -> None:
    assert len(samples(zipped(**{name: export(record())}))) == 1


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_methods_that_may_ask_for_any_memory_are_not_read(method: int) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr("export.xml", export(record()))
    with pytest.raises(WrongFile, match="none of"):
        format_of(made)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 100,
        b"PK\x03\x04" + b"x" * 100,
        b"PK\x05\x06" + bytes(18),
        b"<html></html>",
        b"<?xml version='1.0'?>",
        "<HealthData/>".encode("utf-16"),
        b"{}",
        b"%PDF-1.7",
    ],
)
def test_what_is_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(WrongFile):
        format_of(io.BytesIO(content))


@pytest.mark.parametrize("beginning", [b"<!--", b"<?", b"<!---->", b"<?a?>", b"<", b" "])
def test_what_a_file_is_is_seen_at_once_whatever_it_begins_with(beginning: bytes) -> None:
    """Whoever uploads it waits for that, and their process with them."""
    began = time.thread_time()
    assert markup.root_of(beginning * (64 * 1024 // len(beginning))) == ""
    assert time.thread_time() - began < 0.5


def test_what_stands_before_the_root_does_not_hide_it() -> None:
    before = b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- <gpx> -->\n<?a <b> ?>'
    assert markup.root_of(before + b"<HealthData>") == "HealthData"
    assert markup.root_of(before + b"<!DOCTYPE HealthData [") == "HealthData"
    assert markup.root_of(before + b"text <HealthData>") == ""


def test_many_members_are_looked_into_quickly() -> None:
    """Three hundred of them, each full of beginnings of comments."""
    bomb = zipped(**{f"{number}.xml": b"<!--" * 2**14 for number in range(300)})
    began = time.thread_time()
    with pytest.raises(WrongFile, match="none of"):
        format_of(io.BytesIO(bomb))
    assert time.thread_time() - began < 1
