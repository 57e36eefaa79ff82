"""What the report says of a run."""

from typing import Any

import pytest

from config.loadtest.plan import Action, Plan
from config.loadtest.report import report_of, request_row, request_rows_for_people, socket_rows_for_people, timeline
from config.loadtest.samples import Memory, Sample, Sockets, Traffic, Watch
from config.loadtest.traffic import NEVER_SENT, TIMED_OUT


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {row["target"]: row["verdict"] for row in document["targets"]}


def read(due: float, took: float, error: str = "") -> Sample:
    return Sample(Action.READS, due, due, due + took, error)


def test_latency_counts_from_the_moment_a_request_was_due(document: dict[str, Any]) -> None:
    syncs = next(row for row in document["requests"] if row["requests"] == "syncs")
    assert syncs["from_due_ms"]["p50"] == pytest.approx(60)
    assert syncs["from_sending_ms"]["p50"] == pytest.approx(20)


def test_all_requests_stand_before_each_kind(document: dict[str, Any]) -> None:
    assert [(row["requests"], row["due"]) for row in document["requests"]] == [
        ("all", 100),
        ("reads", 90),
        ("syncs", 10),
    ]
    assert document["requests"][0]["from_due_ms"] == pytest.approx({"p50": 10, "p95": 60, "p99": 60, "max": 60})
    assert document["requests"][0]["answered_per_second"] == 10.0


def test_the_ramp_up_counts_for_errors_and_not_for_latency(plan: Plan) -> None:
    row = request_row("all", [read(0.5, 0.4), read(0.6, 0.0, "500"), read(5, 0.02)], plan)
    assert row["from_due_ms"]["max"] == pytest.approx(20)
    assert (row["due"], row["errors"], row["error_per_cent"]) == (3, 1, 33.33)


def test_a_quick_refusal_does_not_make_latency_look_better(plan: Plan) -> None:
    refused = [read(2, 0.001, "429") for _ in range(50)]
    assert request_row("all", [*refused, read(2, 0.5)], plan)["from_due_ms"]["p50"] == pytest.approx(500)


def test_what_nobody_answered_counts_with_the_time_it_waited(plan: Plan) -> None:
    never = Sample(Action.READS, 3.0, None, 11.0, NEVER_SENT)
    row = request_row("all", [read(2, 0.01), never, read(4, 10, TIMED_OUT)], plan)
    assert row["from_due_ms"]["p50"] == pytest.approx(8000)
    assert row["from_due_ms"]["max"] == pytest.approx(10_000)
    assert row["errors"] == 2


def test_errors_are_counted_by_place_and_kind_and_explained(plan: Plan, sockets: Sockets) -> None:
    sockets.refusals["4429"] += 7
    found = report_of(plan, Traffic([read(2, 0.01, "429"), read(3, 0.01, "429")]), sockets, Memory())["errors"]
    assert [(row["where"], row["what"], row["count"]) for row in found] == [
        ("sockets refused", "4429", 7),
        ("reads", "429", 2),
        ("sockets closed", "1006", 1),
    ]
    assert found[1]["meaning"] == "rate limited: raise RATE_LIMIT or use more accounts"


def test_promises_are_met_or_missed_by_what_was_measured(document: dict[str, Any]) -> None:
    assert verdicts(document) == {
        "latency P50": "met",
        "latency P95": "missed",
        "latency P99": "met",
        "open sockets": "not tried (--sockets 10000)",
        "memory at rest": "measured",
        "memory under load": "measured",
    }


@pytest.mark.parametrize(("open_at_end", "verdict"), [(10_000, "met"), (9_999, "missed")])
def test_ten_thousand_sockets_are_met_when_all_stayed_open(open_at_end: int, verdict: str, plan: Plan) -> None:
    ten_thousand = Plan(**{**vars(plan), "sockets": 10_000})
    document = report_of(
        ten_thousand,
        Traffic(),
        Sockets(watches=[Watch(0.0) for _ in range(open_at_end)]),
        Memory(unknown="no one knows"),
    )
    assert verdicts(document)["open sockets"] == verdict


def test_what_cannot_be_known_is_not_made_up(plan: Plan) -> None:
    document = report_of(plan, Traffic(), None, Memory(unknown="/metrics answered 403"))
    assert document["sockets"] is None
    assert {row["measured"] for row in document["targets"]} == {
        "not known",
        "none asked for",
        "not known: /metrics answered 403",
    }


def test_sockets_are_reported_with_their_rates(document: dict[str, Any]) -> None:
    sockets = document["sockets"]
    assert (sockets["asked"], sockets["opened"], sockets["open_at_end"], sockets["closes"]) == (3, 3, 2, {"1006": 1})
    assert (sockets["connects_per_second"], sockets["frames_per_second"]) == (2.0, 5.0)


def test_delivery_is_to_every_socket_and_to_the_last(document: dict[str, Any]) -> None:
    sockets = document["sockets"]
    assert sockets["delivered_per_cent"] == 83.33
    assert sockets["delivery_ms"]["max"] == pytest.approx(300)
    assert sockets["last_socket_ms"]["p50"] == pytest.approx(300)  # only of the sync that reached all


def test_the_timeline_holds_every_second_and_every_request(traffic: Traffic) -> None:
    seconds = timeline(traffic.samples)
    assert [row["second"] for row in seconds] == list(range(11))
    assert sum(row["answered"] for row in seconds) == 100
    assert seconds[0]["p50"] is None


def test_a_second_shows_how_long_what_was_due_in_it_waited() -> None:
    (first, second, third) = timeline([read(0.5, 1.7), Sample(Action.READS, 1.5, None, 9.0, NEVER_SENT)])
    assert (first["answered"], first["p50"]) == (0, pytest.approx(1700))
    assert (second["errors"], second["p50"]) == (1, pytest.approx(7500))
    assert (third["answered"], third["p50"]) == (1, None)


def test_a_reader_is_told_when_the_server_does_not_keep_up(plan: Plan, document: dict[str, Any]) -> None:
    missed = [Sample(Action.READS, 2.0, None, 11.0, NEVER_SENT) for _ in range(60)]
    slow = report_of(plan, Traffic([read(2, 0.1)] * 40 + missed), None, Memory())
    assert "10 requests a second were due and 4 were answered well" in slow["notes"][0]
    assert document["notes"] == []


def test_a_reader_is_told_when_the_tester_was_too_slow_itself(plan: Plan, traffic: Traffic) -> None:
    traffic.lags = [0.05] * 10
    (note,) = report_of(plan, traffic, None, Memory())["notes"]
    assert "late by 50 ms" in note


def test_a_reader_is_told_when_frames_do_not_show_the_probe(plan: Plan, traffic: Traffic, sockets: Sockets) -> None:
    for watch in sockets.watches:
        watch.shown.clear()
    (note,) = report_of(plan, traffic, sockets, Memory())["notes"]
    assert note.startswith("Delivery is not known")


def test_people_get_the_same_figures_in_rows(document: dict[str, Any]) -> None:
    (whole, *_) = request_rows_for_people(document)
    assert (whole["due"], whole["P50"], whole["P99"], whole["P99 sent"]) == (100, "10", "60", "20")
    shown = {row["sockets"]: row["measured"] for row in socket_rows_for_people(document)}
    assert shown["opened"] == "3 of 3, 2 open at the end"
    assert shown["acknowledged sync to last socket"] == "P50 300, P95 300, P99 300 ms"
