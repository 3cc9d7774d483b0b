"""The daemon's place before the calls' audio: who has it, who has not, and when it is given back."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest

from dialerd import precedence

GRANTED = os.SCHED_RR | os.SCHED_RESET_ON_FORK
DEADLINE = 10.0


@pytest.fixture
def permitted() -> None:
    """This machine lets us go first: root, or a limit of real-time priority that allows it."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pytest.skip("needs root, CAP_SYS_NICE or RLIMIT_RTPRIO")
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def policy_of_a_thread() -> int:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(os.sched_getscheduler(0)))
    thread.start()
    thread.join()
    return seen[0]


def policy_of_a_child() -> int:
    told = subprocess.run(
        [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"], capture_output=True, check=True
    )
    return int(told.stdout)


def work_until(policy: int) -> None:
    """Work, without a wait, until the kernel treats this thread so."""
    deadline = time.monotonic() + DEADLINE
    while os.sched_getscheduler(0) != policy:
        assert time.monotonic() < deadline, f"the policy is still {os.sched_getscheduler(0)}"


async def wait_until(policy: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while os.sched_getscheduler(0) != policy:
            await asyncio.sleep(0.01)


async def test_the_loops_thread_goes_first_and_nobody_else_does(permitted: None) -> None:
    with precedence.claimed() as granted:
        assert granted
        assert os.sched_getscheduler(0) == GRANTED
        assert policy_of_a_thread() == os.SCHED_OTHER
        assert policy_of_a_child() == os.SCHED_OTHER
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


async def test_work_that_goes_on_steps_back_and_the_next_turn_goes_first_again(
    permitted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precedence, "STEP_BACK", 0.05)
    with precedence.claimed():
        # Twice: what the kernel does at its limit must not be done once only.
        for _ in range(2):
            work_until(os.SCHED_OTHER)
            await wait_until(GRANTED)


async def test_what_was_before_is_there_again(permitted: None) -> None:
    limit, handler = resource.getrlimit(resource.RLIMIT_RTTIME), signal.getsignal(signal.SIGXCPU)
    with precedence.claimed():
        work_until(os.SCHED_OTHER)
    assert resource.getrlimit(resource.RLIMIT_RTTIME) == limit
    assert signal.getsignal(signal.SIGXCPU) == handler


def test_without_the_right_to_it_the_daemon_runs_among_the_others() -> None:
    """In a process that has given up its rights."""
    program = (
        "import asyncio, os, resource\n"
        "from dialerd.precedence import claimed\n"
        "resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))\n"
        "os.geteuid() or os.setuid(65534)\n"
        "async def main():\n"
        "    with claimed() as granted:\n"
        "        print(granted, os.sched_getscheduler(0) == os.SCHED_OTHER)\n"
        "asyncio.run(main())\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "True"]
