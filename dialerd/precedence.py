"""The daemon's place before the calls' audio, where both want the same core: its event loop asks the kernel for it.

A turn of the engine is short and seldom, audio is work that never ends. Treated alike, a line that has become free
waits until others have had their slice. So the loop's thread runs under SCHED_RR with the least of its priorities
(sched(7)): below an Asterisk that was started with `-p`, above everything else. Neither its threads nor its children
inherit that: the media workers stay among the others. Nor is it for work that goes on: who has run for `BURST` without
a wait steps back for a while, so that a daemon with much to do takes no core from the audio.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

BURST = 0.05
"""Seconds of work without a wait, after which others have the same right to the core."""
STEP_BACK = 1.0
"""Seconds for which they have it."""
PRIORITY = 1
_MICROSECONDS = 1_000_000
_POLICY = os.SCHED_RR | os.SCHED_RESET_ON_FORK


@contextmanager
def claimed() -> Iterator[bool]:
    """The main thread, which runs the event loop, goes first while the block lasts; False: the kernel refuses.

    It wants root, CAP_SYS_NICE or a limit RLIMIT_RTPRIO of 1 (systemd: `LimitRTPRIO=1`). A place that an operator has
    given the process (systemd: `CPUSchedulingPolicy=`) is left as it is.
    """
    if os.sched_getscheduler(0) not in (os.SCHED_OTHER, os.SCHED_BATCH):
        yield True
        return
    if not _go_first():
        yield False
        return
    loop = asyncio.get_running_loop()
    before = resource.getrlimit(resource.RLIMIT_RTTIME)
    waiting: list[asyncio.TimerHandle] = []

    def step_back(_signal: int, _frame: FrameType | None) -> None:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        waiting[:] = [loop.call_later(STEP_BACK, again)]

    def again() -> None:
        _limit_burst(before[1])
        _go_first()

    # The kernel raises the signal; it comes between two steps of the interpreter, whatever the loop is doing.
    handler = signal.signal(signal.SIGXCPU, step_back)
    _limit_burst(before[1])
    try:
        yield True
    finally:
        for timer in waiting:
            timer.cancel()
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        resource.setrlimit(resource.RLIMIT_RTTIME, before)
        signal.signal(signal.SIGXCPU, handler)


def _go_first() -> bool:
    try:
        os.sched_setscheduler(0, _POLICY, os.sched_param(PRIORITY))
    except PermissionError:
        return False
    return True


def _limit_burst(hard: int) -> None:
    """Anew each time: the kernel raises the limit by a second when it is reached (setrlimit(2))."""
    wanted = int(BURST * _MICROSECONDS)
    resource.setrlimit(resource.RLIMIT_RTTIME, (wanted if hard < 0 else min(wanted, hard), hard))
