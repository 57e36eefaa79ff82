"""The figures of a run, as a document for programs and as rows for people. Pure.

Latencies count from the moment at which a request was due. Refusals come back fast, so they are errors and no
latencies; what timed out or was never sent is both, with the time that it had waited in vain.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from config.loadtest.plan import Plan
from config.loadtest.samples import Memory, Sample, Sockets, Traffic, delivery_of, percentile
from config.loadtest.traffic import NEVER_SENT, TIMED_OUT

PROMISED_MS = {50: 10.0, 95: 50.0, 99: 100.0}
PROMISED_SOCKETS = 10_000
BUSY_TESTER_MS = 10.0
KEEPS_UP = 0.95
"""Fewer good answers than this part of what was due is more than chance."""

MEANINGS = {
    "401": "the token is not good any more; access tokens last an hour",
    "403": "these accounts may not do this",
    "404": "not found: is the account in the competition?",
    "429": "rate limited: raise RATE_LIMIT or use more accounts",
    "500": "an error of the server; its log says which",
    "502": "the proxy could not reach the server",
    "503": "PostgreSQL is out, or the server has no room",
    TIMED_OUT: "no whole answer in time",
    NEVER_SENT: "no connection became free: the server, or --concurrency, did not keep up",
    "1006": "the connection broke off",
    "1012": "the server restarted",
    "4008": "the tester took frames too slowly",
    "4401": "the token is not good any more; access tokens last an hour",
    "4404": "no such competition for this account",
    "4429": "limited: raise RATE_LIMIT, use more accounts or a longer --ramp-up",
}

Row = dict[str, Any]


def report_of(plan: Plan, traffic: Traffic, sockets: Sockets | None, memory: Memory) -> Row:
    """Everything as JSON has it; milliseconds, bytes, and counts."""
    requests = [request_row("all", traffic.samples, plan)]
    requests += [
        request_row(action, [sample for sample in traffic.samples if sample.action is action], plan)
        for action, weight in plan.mix.items()
        if weight
    ]
    socket_figures = _sockets(plan, sockets) if sockets else None
    document = {
        "plan": asdict(plan),
        "requests": requests,
        "errors": _errors(traffic, sockets),
        "sockets": socket_figures,
        "memory": asdict(memory),
        "tester_late_ms": _spread([*traffic.lags, *(sockets.lags if sockets else [])]),
        "targets": targets(requests[0], socket_figures, memory),
        "timeline": timeline(traffic.samples),
    }
    return {**document, "notes": notes(document)}


def request_row(name: str, samples: Sequence[Sample], plan: Plan) -> Row:
    """Counts of the whole run; rates and latencies of what came after the ramp-up."""
    settled = [sample for sample in samples if sample.due >= plan.ramp_up]
    answered = sum(not sample.error and plan.ramp_up <= sample.done < plan.seconds for sample in samples)
    errors = sum(bool(sample.error) for sample in samples)
    from_due = _spread([sample.done - sample.due for sample in settled if _waited(sample)])
    sent = [sample.done - sample.sent for sample in settled if sample.sent is not None and _waited(sample)]
    return {
        "requests": name,
        "due": len(samples),
        "errors": errors,
        "error_per_cent": round(100 * errors / len(samples), 2) if samples else 0.0,
        "due_per_second": round(len(settled) / plan.duration, 1),
        "answered_per_second": round(answered / plan.duration, 1),
        "from_due_ms": from_due,
        "from_sending_ms": _spread(sent),
    }


def targets(requests: Row, sockets: Row | None, memory: Memory) -> list[Row]:
    """What the operators of the earlier service were promised, beside what was measured."""
    rows = []
    for per_cent, promised in PROMISED_MS.items():
        measured = requests["from_due_ms"][f"p{per_cent}"]
        rows.append(
            {
                "target": f"latency P{per_cent}",
                "promised": f"{promised:g} ms",
                "measured": _figure(measured) + (" ms" if measured is not None else ""),
                "verdict": "not known" if measured is None else "met" if measured <= promised else "missed",
            }
        )
    rows.append(
        {
            "target": "open sockets",
            "promised": f"{PROMISED_SOCKETS:,}",
            "measured": f"{sockets['open_at_end']:,} of {sockets['asked']:,}" if sockets else "none asked for",
            "verdict": _sockets_verdict(sockets),
        }
    )
    for name, measured_bytes in (("at rest", memory.at_rest), ("under load", memory.under_load)):
        rows.append(
            {
                "target": f"memory {name}",
                "promised": "to be known",
                "measured": f"{measured_bytes / 2**20:,.0f} MiB" if measured_bytes else f"not known: {memory.unknown}",
                "verdict": "measured" if measured_bytes else "not known",
            }
        )
    return rows


def _sockets_verdict(sockets: Row | None) -> str:
    if sockets and sockets["open_at_end"] >= PROMISED_SOCKETS:
        return "met"
    if sockets and sockets["asked"] >= PROMISED_SOCKETS:
        return "missed"
    return f"not tried (--sockets {PROMISED_SOCKETS})"


def timeline(samples: Sequence[Sample]) -> list[Row]:
    """Second by second: what was answered and what went wrong in it, and how long what was due in it waited."""
    ended, due = _by_second(samples, _ended), _by_second(samples, lambda sample: sample.due)
    last = max([*ended, *due], default=-1)
    rows = []
    for second in range(last + 1):
        errors = sum(bool(sample.error) for sample in ended[second])
        waits = [sample.done - sample.due for sample in due[second] if _waited(sample)]
        rows.append({"second": second, "answered": len(ended[second]) - errors, "errors": errors, **_spread(waits)})
    return rows


def _by_second(samples: Iterable[Sample], moment: Callable[[Sample], float]) -> defaultdict[int, list[Sample]]:
    grouped = defaultdict[int, list[Sample]](list)
    for sample in samples:
        grouped[int(moment(sample))].append(sample)
    return grouped


def _ended(sample: Sample) -> float:
    """What was never sent went wrong when it should have been, not all together at the end."""
    return sample.due if sample.error == NEVER_SENT else sample.done


def notes(document: Row) -> list[str]:
    """What a reader of the figures must know."""
    said = []
    due, answered = document["requests"][0]["due_per_second"], document["requests"][0]["answered_per_second"]
    if answered < KEEPS_UP * due:
        said.append(
            f"{due:,.0f} requests a second were due and {answered:,.0f} were answered well: where it does not "
            "keep up, latency grows as long as the test lasts."
        )
    late = document["tester_late_ms"]["p99"]
    if late is not None and late > BUSY_TESTER_MS:
        said.append(
            f"The tester itself was late by {late:,.0f} ms (P99), and every latency includes that: give it a core."
        )
    sockets = document["sockets"]
    if sockets and sockets["probe_syncs"] and not sockets["probe_shown"]:
        said.append("Delivery is not known: frames did not show the row of the account whose syncs are followed.")
    return said


def request_rows_for_people(document: Row) -> list[Row]:
    """Milliseconds, bare; so that a row fits eighty columns."""
    return [
        {
            "what": row["requests"],
            "due": row["due"],
            "errors": row["errors"],
            "good/s": row["answered_per_second"],
            **{name.upper(): _figure(row["from_due_ms"][name]) for name in ("p50", "p95", "p99", "max")},
            "P99 sent": _figure(row["from_sending_ms"]["p99"]),
        }
        for row in document["requests"]
    ]


def socket_rows_for_people(document: Row) -> list[Row]:
    sockets = document["sockets"]
    if not sockets:
        return []
    connect, delivery, last = sockets["connect_ms"], sockets["delivery_ms"], sockets["last_socket_ms"]
    figures = {
        "opened": f"{sockets['opened']:,} of {sockets['asked']:,}, {sockets['open_at_end']:,} open at the end",
        "connect rate": f"{sockets['connects_per_second']:,} a second",
        "to the first snapshot": _three(connect),
        "frames": f"{sockets['frames']:,}; {sockets['frames_per_second']:,} a second",
        "acknowledged sync to frame": _three(delivery),
        "acknowledged sync to last socket": _three(last),
        "syncs followed": f"{sockets['probe_syncs']}; {sockets['delivered_per_cent']} % of their frames arrived",
    }
    return [{"sockets": name, "measured": figure} for name, figure in figures.items()]


def _sockets(plan: Plan, sockets: Sockets) -> Row:
    deliveries = [delivery_of(sync, sockets.watches) for sync in sockets.syncs]
    expected = sum(sync.watching for sync in deliveries)
    delays = [delay for sync in deliveries for delay in sync.delays]
    reached_all = [max(sync.delays) for sync in deliveries if len(sync.delays) == sync.watching > 0]
    return {
        "asked": plan.sockets,
        "opened": len(sockets.watches),
        "open_at_end": sum(watch.closed == math.inf for watch in sockets.watches),
        "connects_per_second": _rate([watch.opened for watch in sockets.watches]),
        "connect_ms": _spread(sockets.connects),
        "frames": sockets.frames,
        "frames_per_second": round(sockets.frames / plan.duration, 1),
        "frame_bytes": sockets.frame_bytes,
        "probe_shown": any(watch.shown for watch in sockets.watches),
        "probe_syncs": len(deliveries),
        "delivered_per_cent": round(100 * len(delays) / expected, 2) if expected else None,
        "delivery_ms": _spread(delays),
        "last_socket_ms": _spread(reached_all),
        "closes": dict(sockets.closes),
    }


def _rate(moments: Sequence[float]) -> float | None:
    """Events a second between the first and the last."""
    taken = max(moments) - min(moments) if len(moments) > 1 else 0
    return round((len(moments) - 1) / taken, 1) if taken else None


def _errors(traffic: Traffic, sockets: Sockets | None) -> list[Row]:
    counts = Counter((str(sample.action), sample.error) for sample in traffic.samples if sample.error)
    if sockets:
        where = {"sockets refused": sockets.refusals, "sockets closed": sockets.closes, "probe": sockets.probe_errors}
        for name, found in where.items():
            counts.update({(name, what): count for what, count in found.items()})
    return [
        {"where": where, "what": what, "count": count, "meaning": MEANINGS.get(what, "")}
        for (where, what), count in counts.most_common()
    ]


def _waited(sample: Sample) -> bool:
    return sample.error in ("", TIMED_OUT, NEVER_SENT)


def _spread(seconds: Sequence[float]) -> dict[str, float | None]:
    """Milliseconds; None where nothing was measured."""
    ordered = sorted(seconds)
    found = {f"p{per_cent}": percentile(ordered, per_cent) for per_cent in (50, 95, 99)}
    found["max"] = percentile(ordered, 100)
    return {name: None if value is None else round(value * 1000, 2) for name, value in found.items()}


def _figure(value: float | None) -> str:
    if value is None:
        return "not known"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _three(spread: dict[str, float | None]) -> str:
    """The percentiles in one line."""
    if spread["p50"] is None:
        return "not known"
    return ", ".join(f"{name.upper()} {_figure(spread[name])}" for name in ("p50", "p95", "p99")) + " ms"
