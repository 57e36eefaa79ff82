"""Several sources that measured the same time, merged. Pure, exact, and blind to the order in which things arrived.

What a piece says is spread evenly over its span. The time is cut at every start and end, and in each stretch one piece
counts: the one with the highest rate (amount per time), or with a preference that of the most preferred source, and of
equally preferred ones the highest. So the result is never below what any one source says without contradicting itself,
never above the sum of all, and what only one source saw counts too.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

Microseconds = int


class Piece(NamedTuple):
    """``amount`` base units between two moments, in microseconds since 1970; ``end`` is exclusive and after ``start``.
    ``rank``: what is preferred has the smaller one; all the same where the largest counts. ``source`` is only told
    apart and ordered: it decides among equals."""

    source: Hashable
    start: Microseconds
    end: Microseconds
    amount: int
    rank: int = 0


def counted_shares(pieces: Sequence[Piece]) -> list[Fraction | int]:
    """How much of each piece counts, in their order. Takes n log n steps, however they overlap."""
    shares: list[Fraction | int] = [piece.amount for piece in pieces]
    for cluster in _clusters(pieces):
        if len(cluster) > 1:
            for place, microseconds in _time_won(pieces, cluster).items():
                piece = pieces[place]
                if microseconds != piece.end - piece.start:
                    shares[place] = Fraction(piece.amount * microseconds, piece.end - piece.start)
    return shares


def whole(shares: Iterable[Fraction | int]) -> int:
    """Their exact sum, rounded down."""
    units = 0
    by_denominator: dict[int, int] = {}
    for share in shares:
        if isinstance(share, int):
            units += share
        else:
            by_denominator[share.denominator] = by_denominator.get(share.denominator, 0) + share.numerator
    numerator, denominator = _sum([(numerator, denominator) for denominator, numerator in by_denominator.items()])
    return units + numerator // denominator


def _clusters(pieces: Sequence[Piece]) -> Iterable[list[int]]:
    """Places of pieces that overlap one another, directly or through others."""
    cluster: list[int] = []
    until = 0
    for place in sorted(range(len(pieces)), key=lambda place: pieces[place].start):
        if cluster and pieces[place].start >= until:
            yield cluster
            cluster = []
        until = max(until, pieces[place].end) if cluster else pieces[place].end
        cluster.append(place)
    if cluster:
        yield cluster


def _time_won(pieces: Sequence[Piece], cluster: Sequence[int]) -> dict[int, Microseconds]:
    """For how long each piece of a cluster counts."""
    standing = _by_precedence(pieces, cluster)
    starts = sorted(cluster, key=lambda place: pieces[place].start)
    cuts = sorted({moment for place in cluster for moment in (pieces[place].start, pieces[place].end)})
    won = dict.fromkeys(cluster, 0)
    running: list[tuple[int, int]] = []
    begun = 0
    for start, end in pairwise(cuts):
        while begun < len(starts) and pieces[starts[begun]].start == start:
            heappush(running, (standing[starts[begun]], starts[begun]))
            begun += 1
        while pieces[running[0][1]].end <= start:
            heappop(running)
        won[running[0][1]] += end - start
    return won


class _Slowness:
    """Orders pieces from the highest rate down, exactly, where a quotient of floats cannot tell them apart."""

    __slots__ = ("amount", "length")

    def __init__(self, piece: Piece) -> None:
        self.amount, self.length = piece.amount, piece.end - piece.start

    def __lt__(self, other: "_Slowness") -> bool:
        return self.amount * other.length > other.amount * self.length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Slowness) and self.amount * other.length == other.amount * self.length

    __hash__ = None  # type: ignore[assignment]  # there is none, and that is how Python says so


def _by_precedence(pieces: Sequence[Piece], cluster: Sequence[int]) -> Mapping[int, int]:
    """Who goes before whom: preferred ones, then higher rates, then what is the same for everybody who looks."""

    def key(place: int) -> tuple[int, float, _Slowness, Hashable, int, int]:
        piece = pieces[place]
        rate = piece.amount / (piece.end - piece.start)  # correctly rounded, so never in the wrong order
        return piece.rank, -rate, _Slowness(piece), piece.source, piece.start, piece.end

    return {place: number for number, place in enumerate(sorted(cluster, key=key))}


def _sum(fractions: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Numerators over denominators, unreduced and by halves: one after another would reduce ever longer numbers."""
    if not fractions:
        return 0, 1
    if len(fractions) == 1:
        return fractions[0]
    middle = len(fractions) // 2
    (a, b), (c, d) = _sum(fractions[:middle]), _sum(fractions[middle:])
    return a * d + c * b, b * d
