"""Who stands where, against an oracle that sorts plain tuples."""

from hypothesis import given
from hypothesis import strategies as st

from leaderboards.ranking import ranks_of, tie_key

moments = st.integers(0, 4_102_444_800_000_000)
few_moments = st.sampled_from([1_728_000_000_000_000, 1_728_086_400_000_000])
ids = st.uuids().map(lambda uuid: uuid.bytes)
placings = st.tuples(moments | few_moments, moments | few_moments, ids)


@given(placings, placings)
def test_keys_sort_as_moments_and_ids_do(one: tuple[int, int, bytes], other: tuple[int, int, bytes]) -> None:
    assert (tie_key(*one) < tie_key(*other)) == (one < other)


@given(placings)
def test_a_key_has_32_bytes_and_names_its_person(placing: tuple[int, int, bytes]) -> None:
    assert len(tie_key(*placing)) == 32
    assert tie_key(*placing)[16:] == placing[2]


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(0, 30), st.integers(1, 30))
def test_shared_ranks_of_any_page_count_those_with_more_points(scores: list[int], offset: int, limit: int) -> None:
    board = sorted(scores, reverse=True)
    page = board[offset : offset + limit]
    above = sum(score > page[0] for score in board) if page else 0
    expected = [1 + sum(other > score for other in board) for score in page]
    assert ranks_of(page, "shared", offset=offset, above_first=above) == expected


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(0, 30))
def test_ranks_by_who_was_first_are_places(scores: list[int], offset: int) -> None:
    ranks = ranks_of(scores, "first_to_reach", offset=offset, above_first=0)
    assert ranks == [offset + place for place, _ in enumerate(scores, start=1)]


def test_equals_share_a_rank_and_the_next_is_skipped() -> None:
    assert ranks_of([9, 9, 4], "shared", offset=0, above_first=0) == [1, 1, 3]
