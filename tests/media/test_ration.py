"""How much of the loop's time one peer gets: its share over any time, a little at once, and never nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dialerd.media.ration import AT_ONCE, DEAREST, SHARE, Ration


@given(st.lists(st.floats(0.000_001, DEAREST), min_size=1, max_size=300))
def test_messages_without_end_take_their_share_and_no_more(costs: list[float]) -> None:
    now = worked = 0.0
    ration = Ration()
    for cost in costs:
        wait = ration.spend(now + cost, cost)
        worked += cost
        assert wait <= (AT_ONCE + DEAREST) / SHARE, "who waits goes on"
        now += cost + wait
        assert worked <= now * SHARE + AT_ONCE + 1e-6


@given(st.lists(st.floats(0.000_001, AT_ONCE / 2), min_size=1, max_size=100))
def test_who_sends_as_people_talk_never_waits(costs: list[float]) -> None:
    ration = Ration()
    for number, cost in enumerate(costs):
        assert ration.spend(0.02 * number + cost, cost) == 0.0


def test_one_message_counts_for_so_much_at_most() -> None:
    assert Ration().spend(130.0, 30.0) <= DEAREST / SHARE
