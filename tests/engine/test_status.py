"""A trunk as it is shown, in every state it may be in."""

from __future__ import annotations

from typing import Any

import pytest

from dialerd.core.clock import Mono, Now
from dialerd.core.record import replace
from dialerd.core.world import Final, World
from dialerd.engine.status import describe
from dialerd.engine.views import status_view
from tests.core.world_builder import START, policy, trunk

NOW = Now(START, Mono(10_000_000))
TRUNK = replace(trunk(rate=50.0), registration="lab-reg")


def shown(**changes: Any) -> dict[str, Any]:
    world = World.empty("d1", policy(), [TRUNK])  # type: ignore[arg-type]
    line = world.lines[TRUNK.name]
    world.lines.put(TRUNK.name, replace(line, registered=True, **changes) if changes else line)
    world.adopt()
    status = status_view(describe(world, None, draining=False, now=NOW), [TRUNK])
    return {"problems": status["problems"], **status["trunks"][0]}


@pytest.mark.parametrize(
    ("changes", "state", "why"),
    [
        ({}, "unregistered", "is not registered (lab-reg: Asterisk has not told yet)"),
        ({"reachable": None}, "up", None),
        ({"reachable": True}, "up", None),
        ({"reachable": False}, "unreachable", "is unreachable"),
        ({"reachable": True, "paused": "by order"}, "paused", None),
    ],
)
def test_the_state_of_a_trunk(changes: dict[str, Any], state: str, why: str | None) -> None:
    found = shown(**changes)
    assert (found["state"], found["down"], found["registration"]) == (state, why, "lab-reg")
    unusable = "every trunk is paused, unreachable or not registered"
    assert (unusable in found["problems"]) == (state != "up")


def test_its_own_answers_are_shown() -> None:
    finals = (Final(burnt=True), Final(burnt=False, answered=True), Final(burnt=False, answered=True))
    found = shown(finals=finals, rest_until=Mono(NOW.mono + 1_500_000))
    assert found["last_calls"] == {"of": 3, "answered": 2, "answer_rate": 0.667}
    assert found["failures"] == {"congested_in_a_row": 0, "numbers_refused": 1, "of_last_calls": 3}
    assert (found["rate_now"], found["calls_per_second"]) == (12.5, 50)
    assert found["rests_until"] == "2023-11-14T22:13:21.500Z"
    assert shown(rest_until=NOW.mono)["rests_until"] is None
