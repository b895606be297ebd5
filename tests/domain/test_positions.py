"""Positions as changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.positions import applied, changes, keys_of

keys = st.tuples(st.sampled_from("ABCDEF"), st.sampled_from(["long", "short"]), st.just(0))
lists = st.lists(st.tuples(keys, st.integers(0, 2)), max_size=8).map(dict)


@given(before=lists, after=lists)
def test_changes_turn_one_list_into_the_other(
    before: dict[tuple[str, str, int], int], after: dict[tuple[str, str, int], int]
) -> None:
    made = applied(before, changes(before, after))
    assert list(made.items()) == list(after.items())


@given(held=lists)
def test_nothing_changed_is_no_change(held: dict[tuple[str, str, int], int]) -> None:
    assert not len(changes(held, dict(held)))


def test_positions_of_one_symbol_and_side_are_told_apart() -> None:
    positions = [{"symbol": "A", "side": "long"}] * 2 + [{"symbol": "A", "side": "short"}]
    assert keys_of(positions) == [("A", "long", 0), ("A", "long", 1), ("A", "short", 0)]


def test_a_position_that_moves_in_the_order_is_a_few_runs() -> None:
    before = {(f"S{n}", "long", 0): n for n in range(1000)}
    names = list(before)
    names.insert(10, names.pop(500))
    after = {name: before[name] for name in names}
    moved = changes(before, after)
    assert (dict(moved.changed), list(moved.removed)) == ({}, [])
    assert list(moved.order) == [(0, 10), (500, 1), (10, 490), (501, 499)]
