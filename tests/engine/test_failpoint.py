"""A failpoint strikes once, at its point and passage, and only where the environment asks for one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from dialerd.core.disposition import Reason
from dialerd.core.errors import PortError
from dialerd.core.identity import call_of
from dialerd.core.journal import CallAnswered, CallClosed, TryOpened
from dialerd.core.messages import MediaFailed, OriginateAccepted, TryAnswered, TryEnded
from dialerd.engine.failpoint import VARIABLE, Failpoint, Point, from_environment

from .test_runtime import Rig, running


@dataclass(frozen=True)
class Scene:
    """What had become of things at the instant of death."""

    opened: int
    sent: int
    answered: int
    attached: int
    closed: int
    detached: int


async def death_at(point: Point, passage: int) -> Scene | None:
    """Two calls on one channel, each answered and ended: what a daemon that died there would have left."""
    scenes: list[Scene] = []
    rigs: list[Rig] = []

    def die() -> None:
        rig = rigs[0]
        scenes.append(
            Scene(
                len(rig.entries(TryOpened)),
                len(rig.telephony.originated),
                len(rig.entries(CallAnswered)),
                len(rig.media.attached),
                len(rig.entries(CallClosed)),
                len(rig.media.detached),
            )
        )

    async with running(2, 1, Failpoint(point, passage, die)) as rig:
        rigs.append(rig)
        await rig.admit(2)
        for number in (1, 2):
            await rig.until(lambda number=number: len(rig.telephony.originated) == number)  # type: ignore[misc]
            channel = rig.telephony.originated[-1].channel
            rig.engine.post(OriginateAccepted(channel))
            rig.engine.post(TryAnswered(channel))
            await rig.until(lambda number=number: len(rig.media.attached) == number)  # type: ignore[misc]
            rig.engine.post(MediaFailed(call_of(channel), Reason.DROPPED, "the worker died"))
            rig.engine.post(TryEnded(channel, 16))
            await rig.until(lambda number=number: len(rig.entries(CallClosed)) == number)  # type: ignore[misc]
        await asyncio.sleep(0)
    return scenes[0] if scenes else None


@pytest.mark.parametrize(
    ("point", "scene"),
    [
        (Point.BEFORE_COMMIT, Scene(opened=1, sent=1, answered=1, attached=1, closed=0, detached=0)),
        (Point.AFTER_COMMIT, Scene(opened=2, sent=1, answered=1, attached=1, closed=1, detached=0)),
        (Point.AFTER_SEND, Scene(opened=2, sent=2, answered=1, attached=1, closed=1, detached=1)),
        (Point.BEFORE_ANSWER, Scene(opened=2, sent=2, answered=1, attached=1, closed=1, detached=1)),
        (Point.AFTER_ANSWER, Scene(opened=2, sent=2, answered=2, attached=1, closed=1, detached=1)),
        (Point.BEFORE_OUTCOME, Scene(opened=2, sent=2, answered=2, attached=2, closed=1, detached=1)),
        (Point.AFTER_OUTCOME, Scene(opened=2, sent=2, answered=2, attached=2, closed=2, detached=1)),
    ],
)
async def test_each_point_lies_on_its_side_of_its_boundary(point: Point, scene: Scene) -> None:
    """The second passage: the first call's end and the second call's beginning are one turn."""
    assert await death_at(point, 2) == scene


async def test_a_point_that_is_not_passed_so_often_kills_nobody() -> None:
    assert await death_at(Point.AFTER_SEND, 3) is None


def test_nothing_is_armed_unless_the_environment_asks() -> None:
    assert from_environment({}) is None
    assert from_environment({VARIABLE: "after-send:3"}) is not None


@pytest.mark.parametrize(
    "asked", ["", "after-send", "after-send:0", "after-send:-1", "nowhere:1", "after-send:x"]
)
def test_a_point_that_does_not_exist_is_refused(asked: str) -> None:
    with pytest.raises(PortError, match=r"DIALERD_FAILPOINT.*POINT:N.*before-commit"):
        from_environment({VARIABLE: asked})
