"""The helper process: apart from the daemon, niced, replaceable, on a deadline."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialerd.core.errors import Fault, InvariantError, PortError, RequestError, invalid
from dialerd.intake.process import Helper, Intake


@pytest.fixture
async def helper() -> AsyncIterator[Helper]:
    made = Helper(deadline=20.0)
    try:
        yield made
    finally:
        await made.close()


def about_itself() -> tuple[int, int]:
    print("a print must not corrupt the stream")  # noqa: T201
    return os.getpid(), os.nice(0)


def refuse() -> None:
    raise invalid([Fault("name", "required")], invalid=[1])


def die_once(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def test_calls_run_in_one_niced_process_that_stays(helper: Helper) -> None:
    pid, niceness = await helper.call(about_itself)
    assert pid != os.getpid()
    assert niceness > os.nice(0)
    assert (await helper.call(about_itself))[0] == pid


async def test_refusals_and_bugs_come_back_as_what_they_are(helper: Helper) -> None:
    with pytest.raises(RequestError) as caught:
        await helper.call(refuse)
    assert (caught.value.status, caught.value.faults, caught.value.extra) == (
        422,
        (Fault("name", "required"),),
        {"invalid": [1]},
    )
    with pytest.raises(InvariantError, match="ZeroDivisionError"):
        await helper.call(divmod, 1, 0)
    assert await helper.call(divmod, 7, 2) == (3, 1)


async def test_a_child_that_dies_is_replaced_and_the_call_made_again(helper: Helper, tmp_path: Path) -> None:
    assert await helper.call(die_once, tmp_path / "marker") == "survived"


async def test_a_call_that_kills_its_child_twice_is_given_up(helper: Helper) -> None:
    with pytest.raises(PortError, match="died twice"):
        await helper.call(die)
    assert await helper.call(divmod, 7, 2) == (3, 1)


async def test_a_call_past_its_deadline_is_ended(tmp_path: Path) -> None:
    helper = Helper(deadline=0.8)
    try:
        await helper.start()
        with pytest.raises(PortError, match="did not finish"):
            await helper.call(time.sleep, 30)
    finally:
        await helper.close()


async def test_a_closed_helper_starts_no_new_child(helper: Helper) -> None:
    await helper.start()
    await helper.close()
    with pytest.raises(PortError, match="shutting down"):
        await helper.call(divmod, 7, 2)


async def test_a_list_comes_back_in_chunks_and_leaves_nothing_behind(helper: Helper, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "left.upload").write_text("by an earlier run")
    intake = Intake(helper, spool, 10_000)
    intake.prepare()
    assert list(spool.iterdir()) == []
    source = tmp_path / "list.csv"
    source.write_text("phone\n" + "".join(f"+9198{number:08d}\n" for number in range(1_200)) + "bad\n")
    checked = await intake.check(source, "csv", required=frozenset(), default_region=None)
    assert [len(chunk) for chunk in checked.chunks()] == [500, 500, 200]
    report = checked.report
    assert (report.received, report.accepted, report.invalid) == (1_201, 1_200, 1)
    assert b'"line":1202' in report.invalid_json
    checked.discard()
    assert list(spool.iterdir()) == []
