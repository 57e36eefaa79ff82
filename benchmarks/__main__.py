"""python -m benchmarks [--only reads,frames,writes,boards,samples,imports] [--quick] [--json FILE] [--markdown FILE]"""

import importlib
import signal
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks import figures, stage
from config.devservices import EngineError

BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"


def main(arguments: list[str]) -> int:
    """Answers the exit code: 1 when something failed. A target that is missed is a figure, not a failure."""
    options = _options(arguments)
    for number in stage.STOPPED_BY:
        signal.signal(number, signal.default_int_handler)
    try:
        with stage.opened(quick=options.quick) as opened:
            for section in options.only:
                figures.say(f"--- {section}")
                importlib.import_module(f"benchmarks.{section}").measure(opened)
    except KeyboardInterrupt:
        figures.say("Stopped.")
        return 130
    except (stage.BenchError, EngineError) as error:
        figures.say(f"make bench: {error}")
        return 1
    report = opened.report
    if options.quick:
        report.notes.insert(0, "BENCH=quick: to see whether it works. Its figures mean little.")
    rows, machine = figures.rows(report, options.only), stage.machine()
    figures.print_table(rows, report.notes, machine)
    if options.json:
        options.json.write_text(figures.as_json(rows, report.notes, machine))
    if options.markdown:
        put_between_markers(options.markdown, figures.markdown(rows, report.notes, machine))
    for failure in report.failures:
        figures.say(f"make bench: {failure}")
    return 1 if report.failures else 0


def _options(arguments: list[str]) -> Namespace:
    parser = ArgumentParser(prog="make bench")
    parser.add_argument("--only", type=_sections, default=figures.SECTIONS, help=f"of {', '.join(figures.SECTIONS)}")
    parser.add_argument("--quick", action="store_true", help="two seconds a row, to see whether it works")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--markdown", type=Path, help="put the table between the markers of that file")
    return parser.parse_args(arguments)


def _sections(text: str) -> list[str]:
    named = [word for word in text.split(",") if word]
    if unknown := set(named) - set(figures.SECTIONS):
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    return named or list(figures.SECTIONS)


def put_between_markers(file: Path, text: str) -> None:
    """Replaces what stands between BEGIN and END. Raises ValueError when the file has no such place."""
    before, begin, rest = file.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{file} has no {BEGIN} … {END}.")
    file.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
