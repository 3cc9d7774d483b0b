"""What is too much for one call costs that call at most: the others of its worker go on."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dialerd.core.disposition import Reason
from dialerd.core.messages import AgentFinished, AgentReported, MediaCapacity, MediaFailed
from dialerd.media.engine_settings import EngineSettings
from tests.adapters.waiting import until
from tests.media.fake_agent import FRAME, call_id, order
from tests.media.fake_asterisk import FakeAsterisk, fake_asterisk
from tests.media.fake_bot import FakeBot, fake_bot
from tests.media.pool_daemon import Daemon, daemon

TURN = {"speaker": "agent", "time": 1.0, "text": "x" * 5_000}


@asynccontextmanager
async def one_worker(folder: Path) -> AsyncIterator[tuple[Daemon, FakeAsterisk, FakeBot]]:
    """A worker process as it is installed, with a bot that holds its calls."""
    async with fake_asterisk() as fake, fake_bot() as bot:
        engine = EngineSettings("bot", "twilio-stream", 3, url=bot.url)
        program = (sys.executable, "-m", "dialerd.worker")
        async with daemon(folder, fake, command=program, engines=(engine,), allow=["127.0.0.0/8"]) as boss:

            def ready() -> bool:
                told = boss.heard.of(MediaCapacity)
                return (
                    bool(told)
                    and told[-1].sessions > 0
                    and "bot" in told[-1].engines
                    and told[-1].engines["bot"].sessions > 0
                )

            await until(ready, seconds=20)
            yield boss, fake, bot


def give(boss: Daemon, fake: FakeAsterisk, number: int, **changes: object) -> None:
    """The call `number` answers."""
    fake.answer(call_id(number))
    boss.pool.attach(order(number, **{"engine": "bot", "script_id": "", "script_version": 0, **changes}))


def told_of(boss: Daemon, kind: type[Any], number: int) -> list[Any]:
    return [event for event in boss.heard.of(kind) if event.call == call_id(number)]


async def test_a_bot_that_says_too_much_is_told_so_and_no_call_ends_of_it(tmp_path: Path) -> None:
    async with one_worker(tmp_path) as (boss, fake, bot):
        give(boss, fake, 1)
        give(boss, fake, 2)
        talker, other = await bot.stream(1), await bot.stream(2)
        if str(talker.of("start")[0]["start"]["customParameters"]["call_id"]) != call_id(1):
            talker, other = other, talker
        pid = boss.pid
        for _ in range(12):
            await talker.say("dialerd", transcript=[TURN] * 100)
        await talker.say("dialerd", transcript=[TURN], disposition="paid")
        await until(lambda: len(talker.of("dialerd")) >= 12)
        assert {fault["loc"] for said in talker.of("dialerd") for fault in said["errors"]} == {"transcript"}
        await other.say("dialerd", disposition="interested")
        await until(lambda: told_of(boss, AgentReported, 2))
        await until(lambda: told_of(boss, AgentReported, 1)[-1].report.disposition == "paid")
        for stream in (talker, other):
            await stream.socket.send_str(json.dumps({"event": "dialerd", "hangup": "now"}))
        await until(lambda: len(boss.heard.of(AgentFinished)) == 2)
        labels = {event.call: event.report.disposition for event in boss.heard.of(AgentFinished)}
        assert labels == {call_id(1): "paid", call_id(2): "interested"}
        assert boss.heard.of(MediaFailed) == []
        assert boss.pid == pid


async def test_a_contact_with_too_much_is_refused_alone(tmp_path: Path) -> None:
    async with one_worker(tmp_path) as (boss, fake, bot):
        give(boss, fake, 1)
        stream = await bot.stream()
        await stream.speak(FRAME * 50)
        give(boss, fake, 2, variables={"note": "x" * 4_500_000})
        await until(lambda: boss.heard.of(MediaFailed))
        (failed,) = boss.heard.of(MediaFailed)
        assert (failed.call, failed.reason) == (call_id(2), Reason.ENGINE_FAILED)
        assert "longer than a media worker takes" in failed.detail
        await stream.say("dialerd", disposition="paid", hangup="now")
        await until(lambda: told_of(boss, AgentFinished, 1))
        assert boss.pool.held() == frozenset()
        give(boss, fake, 3)
        await bot.stream(2)
        assert all(told.sessions == 3 for told in boss.heard.of(MediaCapacity))
