"""Who stands where, against an oracle that sorts plain tuples."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from leaderboards.ranking import Placing, ranks_of, tie_key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.integers(0, 4_102_444_800_000_000).map(lambda us: EPOCH + timedelta(microseconds=us))
few_moments = st.sampled_from([EPOCH + timedelta(days=days) for days in (20_000, 20_001)])
placings = st.builds(Placing, st.uuids(), st.integers(0, 3), few_moments, few_moments)


@given(
    st.builds(Placing, st.uuids(), st.integers(), moments, moments),
    st.builds(Placing, st.uuids(), st.integers(), moments, moments),
)
def test_keys_sort_as_moments_and_ids_do(one: Placing, other: Placing) -> None:
    def plain(placing: Placing) -> tuple[datetime, datetime, UUID]:
        return placing.reached_at, placing.joined_at, placing.user_id

    assert (tie_key(one) < tie_key(other)) == (plain(one) < plain(other))


@given(placings)
def test_a_key_has_32_bytes_and_names_its_person(placing: Placing) -> None:
    assert len(tie_key(placing)) == 32
    assert tie_key(placing)[16:] == placing.user_id.bytes


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
