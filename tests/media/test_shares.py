"""What is shared out among the workers is never more than there is, and nothing of it is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.engine import EngineState
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.shares import engines_of, share, together

WORKERS = st.integers(1, 8)


@given(st.integers(0, 2_000), WORKERS, st.integers(0, 7))
def test_the_shares_are_the_whole_and_differ_by_one_at_most(whole: int, workers: int, first: int) -> None:
    shares = [share(whole, workers, worker, first % workers) for worker in range(workers)]
    assert sum(shares) == whole
    assert max(shares) - min(shares) <= 1


@given(st.lists(st.integers(1, 20), max_size=6), WORKERS)
def test_the_sessions_of_an_engine_are_never_more_than_it_has(sizes: list[int], workers: int) -> None:
    engines = [EngineSettings(f"bot-{place}", "audiosocket", size) for place, size in enumerate(sizes)]
    given_out = [engines_of(engines, workers, worker) for worker in range(workers)]
    for engine in engines:
        parts = [one.max_sessions for told in given_out for one in told if one.name == engine.name]
        assert sum(parts) == engine.max_sessions
        assert all(parts), "a worker that may not use an engine does not know it"


def test_small_engines_are_spread() -> None:
    engines = [EngineSettings(name, "audiosocket", 1) for name in ("a", "b")]
    assert [[one.name for one in engines_of(engines, 2, worker)] for worker in (0, 1)] == [["a"], ["b"]]


def test_what_several_workers_say_of_an_engine() -> None:
    first = {"bot": EngineState(2), "lone": EngineState(0, "not reached"), "sick": EngineState(0, "ill")}
    second = {"bot": EngineState(1), "sick": EngineState(0, "very ill")}
    assert together([first, second]) == {
        "bot": EngineState(3),
        "lone": EngineState(0, "not reached"),
        "sick": EngineState(0, "ill"),
    }
    assert together([{"bot": EngineState(0, "not reached")}, {"bot": EngineState(2)}]) == {
        "bot": EngineState(2, "not reached")
    }
