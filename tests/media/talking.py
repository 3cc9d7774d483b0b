"""A call that a bot holds, on a fake Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from dialerd.core.effects import AttachAgent
from dialerd.core.engine import StandIn
from dialerd.core.identity import InstanceId
from dialerd.media.ari import MediaAri
from dialerd.media.asterisk_ws import LegListener, MediaLeg
from dialerd.media.direct import DirectEngine
from dialerd.media.engine_settings import EngineSettings
from dialerd.media.rack import EngineRack
from dialerd.media.reception import Reception
from dialerd.media.remote import Kind
from dialerd.media.session import Session, SessionTiming
from dialerd.media.twilio import TwilioStreamEngine
from dialerd.webhooks.way import GuardedWay
from tests.adapters.waiting import until
from tests.media.fake_agent import FakeAgent, call_id, order
from tests.media.fake_asterisk import INSTANCE, FakeAsterisk, FakeLeg, fake_asterisk
from tests.media.fake_bot import FakeBot, fake_bot
from tests.media.told import Told

CALL = call_id()
TIMING = SessionTiming(first_audio=2.0, stall=2.0)
TONE = bytes(range(1, 161))
STAND_IN = StandIn("helper", "embedded", "s", 3, "en-IN")


@dataclass
class Talk(Told):
    """A call that the bot holds."""

    fake: FakeAsterisk
    bot: FakeBot
    rack: EngineRack
    agent: FakeAgent
    order: AttachAgent
    session: Session | None = None

    async def leg(self) -> FakeLeg:
        return await self.fake.leg(CALL)


@asynccontextmanager
async def talking(
    timing: SessionTiming = TIMING,
    kinds: dict[str, Kind] | None = None,
    direct: bool = False,
    engine: dict[str, Any] | None = None,
    bot: FakeBot | None = None,
    **changes: Any,
) -> AsyncIterator[Talk]:
    async with fake_asterisk() as fake, fake_bot() as made:
        bot = bot or made
        fake.answer(CALL)
        ari = MediaAri(fake.login, InstanceId(INSTANCE))
        reception = Reception(fake.media)
        await reception.open()
        way = GuardedWay()
        way.allow(["127.0.0.1"])
        agent = FakeAgent()
        twilio: dict[str, Kind] = {"twilio-stream": lambda settings: TwilioStreamEngine(settings, way)}
        if direct:
            kinds = {"asterisk": lambda settings: DirectEngine(settings, ari)}
        rack = EngineRack(agent, kinds or twilio, lambda: None)
        settings = EngineSettings("bot", "twilio-stream", 2, url=made.url, account_sid="AC" + "1" * 32)
        rack.configure([replace(settings, **(engine or {}))])
        talk = Talk(fake, made, rack, agent, order(engine="bot", **changes))

        def make_leg(listener: LegListener, hears: bool) -> MediaLeg:
            form = rack.leg_format(talk.order.engine, talk.order.codec)
            return MediaLeg(ari, reception, talk.order.channel, listener, hears=hears, form=form)

        talk.session = session = Session(talk.order, rack, make_leg, talk, timing=timing)
        task = asyncio.create_task(session.run(talk.outcomes.append))
        try:
            yield talk
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            rack.close()
            reception.close()
            await ari.close()


def stream_to(bot: FakeBot, **parameters: str) -> str:
    inner = "".join(f'<Parameter name="{name}" value="{value}"/>' for name, value in parameters.items())
    return f'<Connect><Stream url="{bot.url}">{inner}</Stream></Connect>'


async def has_seats(rack: EngineRack, name: str, seats: int) -> bool:
    await until(lambda: len(rack._places[name].seats) == seats)
    return True
