"""Tables: pending changes are seen by their turn alone until adopted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.table import Table

operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 5), st.integers(1, 9)),
        st.tuples(st.just("remove"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("adopt"), st.just(0), st.just(0)),
        st.tuples(st.just("discard"), st.just(0), st.just(0)),
    )
)


@given(operations)
def test_a_table_behaves_like_two_dictionaries(steps: list[tuple[str, int, int]]) -> None:
    table: Table[int, int] = Table()
    committed: dict[int, int] = {}
    seen: dict[int, int] = {}
    for kind, key, value in steps:
        match kind:
            case "put":
                table.put(key, value)
                seen[key] = value
            case "remove":
                table.remove(key)
                seen.pop(key, None)
            case "adopt":
                table.adopt()
                committed = dict(seen)
            case "discard":
                table.discard()
                seen = dict(committed)
        assert dict(table.committed) == committed
        assert sorted(table.values()) == sorted(seen.values())
        assert len(table) == len(seen)
        assert all((key in table) == (key in seen) for key in range(6))
