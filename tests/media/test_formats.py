"""Calls on a fake Asterisk over legs of every format: nobody notices which it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from dialerd.core.clock import Millis
from dialerd.core.disposition import Reason
from dialerd.core.model import AnsweredBy, OnMachine
from dialerd.media.answer_watch import AnswerWatch
from dialerd.media.asterisk_ws import MediaLeg
from dialerd.media.audio_watch import AudioLimits
from dialerd.media.audiosocket import AudioSocketEngine
from dialerd.media.formats import ALAW, SLIN, SLIN16, ULAW, Format
from dialerd.media.outcome import Failed, Finished
from dialerd.media.ringing import RINGING
from dialerd.media.session import SessionTiming
from dialerd.media.transcoding import conversion
from tests.adapters.waiting import until
from tests.media.fake_agent import DNC, FakeAgent, FakeTalk, call_id
from tests.media.fake_asterisk import FakeLeg, channel_of
from tests.media.sounds import frames, silence, speech
from tests.media.sounds import tone as sound
from tests.media.talking import STAND_IN, talking
from tests.media.test_cadence import MACHINE
from tests.media.test_recordings import Tape, sides
from tests.media.test_session import answered, held
from tests.media.test_transcoding import level, noise, tone

CALL = call_id()
LEGS = pytest.mark.parametrize("form", [ULAW, ALAW, SLIN16], ids=lambda form: form.name)


def pieces(form: Format, audio: bytes) -> list[bytes]:
    """Audio as a leg brings it."""
    return [audio[at : at + form.frame] for at in range(0, len(audio), form.frame)]


def carried(form: Format, *plain: bytes) -> list[bytes]:
    """Frames of mu-law as a leg of this format brings them."""
    convert = conversion(ULAW, form)
    return [convert(frame) for frame in plain]


@dataclass
class Singer(FakeTalk):
    """Says a tone in its own format, and keeps what it hears."""

    hears: bool = True
    form: Format = ULAW
    hertz: float = 1_000.0

    def start(self, stage: Any) -> None:
        self.stage = stage
        stage.play(1, self.sing())

    async def sing(self) -> AsyncGenerator[bytes]:
        for second in pieces(self.form, tone(self.form, self.hertz)):
            yield second

    @property
    def heard_audio(self) -> bytes:
        return b"".join(audio for what, *(audio,) in self.told if what == "heard")  # type: ignore[misc]


def singing(form: Format, hertz: float = 1_000.0) -> FakeAgent:
    return FakeAgent(make=lambda: Singer(form=form, hertz=hertz))


async def said(leg: FakeLeg, form: Format, seconds: float = 1.0) -> bytes:
    """What the callee was told, once it is so much."""
    size = round(seconds * form.bytes_per_second)
    await until(lambda: len(leg.audio) >= size)
    return bytes(leg.audio[:size])


@LEGS
@pytest.mark.parametrize("speaks", [ULAW, SLIN, SLIN16], ids=lambda form: form.name)
async def test_callee_and_agent_hear_each_other_whatever_each_of_them_speaks(
    form: Format, speaks: Format
) -> None:
    async with answered() as fake, held(fake, singing(speaks), form=form) as call:
        leg = await call.leg()
        assert leg.form == form.name
        told = await said(leg, form)
        assert abs(level(form, told)) < 0.3
        assert noise(form, told, 1_000) > 33
        await leg.speak(*pieces(form, tone(form, 700)))
        talk = call.talk
        assert isinstance(talk, Singer)
        await until(lambda: len(talk.heard_audio) >= speaks.bytes_per_second)
        assert {len(audio) for what, *(audio,) in talk.told if what == "heard"} == {speaks.frame}  # type: ignore[misc]
        assert abs(level(speaks, talk.heard_audio)) < 0.3
        assert noise(speaks, talk.heard_audio, 700) > 33


async def test_more_than_a_telephone_carries_passes_between_a_wide_leg_and_a_wide_engine() -> None:
    async with answered() as fake, held(fake, singing(SLIN16, 6_000), form=SLIN16) as call:
        leg = await call.leg()
        assert await said(leg, SLIN16) == tone(SLIN16, 6_000), "it passes as it is"
        await leg.speak(*pieces(SLIN16, tone(SLIN16, 7_000)))
        talk = call.talk
        assert isinstance(talk, Singer)
        await until(lambda: talk.heard_audio == tone(SLIN16, 7_000))


async def test_a_narrow_leg_carries_none_of_it_and_nothing_else_in_its_place() -> None:
    async with answered() as fake, held(fake, singing(SLIN16, 6_000), form=ULAW) as call:
        assert level(ULAW, await said(await call.leg(), ULAW)) < -50


@LEGS
async def test_silence_ringing_and_keys_are_as_always(form: Format) -> None:
    async with answered() as fake, held(fake, form=form) as call:
        leg = await call.leg()
        await until(lambda: leg.audio.endswith(form.silence * 50))
        assert call.talk.stage is not None
        await leg.press("7")
        await until(lambda: call.wishes)
        await until(lambda: conversion(ULAW, form)(RINGING) in leg.audio)
        call.session.transfer_failed("busy")
        await until(lambda: ("played", 7) in call.talk.told)
        await leg.press("9")
        assert await call.outcome() == Finished(DNC)


@LEGS
async def test_who_interrupts_is_heard_at_once(form: Format) -> None:
    async with answered(holds_marks=True) as fake:
        agent = FakeAgent(make=lambda: FakeTalk(opening=500))
        async with held(fake, agent, form=form) as call:
            leg = await call.leg()
            await until(lambda: len(leg.audio) >= 300 * form.frame)
            await leg.press("1")
            await until(lambda: {"command": "FLUSH_MEDIA"} in leg.commands)
            await until(lambda: len(leg.audio) == 10 * form.frame)


async def test_no_message_is_longer_than_asterisk_takes_and_its_queue_never_overflows() -> None:
    async with answered(holds_marks=True) as fake:
        agent = FakeAgent(make=lambda: FakeTalk(opening=2_000))
        async with held(fake, agent, form=SLIN16) as call:
            leg = await call.leg()
            # The fake refuses longer messages than Asterisk does.
            await until(lambda: len(leg.audio) >= 700 * SLIN16.frame)
            assert len(leg.audio) <= 900 * SLIN16.frame
            assert not call.outcomes


@LEGS
async def test_both_sides_are_recorded(form: Format) -> None:
    tape = Tape()
    async with answered() as fake, held(fake, singing(ULAW), form=form, record=lambda call: tape) as call:
        leg = await call.leg()
        await said(leg, form)
        # As much as may arrive at a time.
        await leg.speak(*pieces(form, tone(form, 700, 0.1)))
        talk = call.talk
        assert isinstance(talk, Singer)
        await until(lambda: len(talk.heard_audio) >= ULAW.bytes_per_second // 10)
        await asyncio.sleep(0.5)
        call.session.detach()
        await call.outcome()
    for side, hertz in zip(sides(tape.audio), (700, 1_000), strict=True):
        samples = np.array(side, dtype=float)
        first = int(np.argmax(np.abs(samples) > 1_000))
        within = samples[first + 80 : first + 720]
        assert abs(20 * np.log10(np.sqrt(np.mean(within**2)) / (8_000 / np.sqrt(2)))) < 0.3
        assert abs(np.argmax(np.abs(np.fft.rfft(within))) * 8_000 / len(within) - hertz) < 7


@LEGS
async def test_a_machine_is_known_by_its_greeting_and_its_tone(form: Format) -> None:
    async with answered() as fake:
        agent = FakeAgent(make=lambda: FakeTalk(has_message=True))
        async with held(fake, agent, on_machine=OnMachine.MESSAGE, form=form) as call:
            leg = await call.leg()
            await until(lambda: call.heard)
            await leg.speak(*carried(form, *frames(silence(0.3), speech(MACHINE[0]))))
            await until(lambda: call.judged)
            await leg.speak(*carried(form, *frames(silence(0.4), sound(0.5, 1_000.0), silence(0.2))))
            assert isinstance(await call.outcome(), Finished)
            assert (call.judged, call.messages_left) == ([AnsweredBy.MACHINE], 1)


@LEGS
async def test_a_silent_line_is_silent_in_every_format(form: Format) -> None:
    timing = SessionTiming(first_audio=20.0, stall=20.0, audio=AudioLimits(one_way=0, silence=1.0))
    async with answered() as fake, held(fake, form=form, timing=timing) as call:
        leg = await call.leg()
        await until(lambda: call.heard)
        while not call.outcomes:
            await leg.speak(form.silence)
            await asyncio.sleep(0.02)
        outcome = await call.outcome()
        assert isinstance(outcome, Failed)
        assert outcome.reason is Reason.DROPPED
        assert "neither side was audible" in outcome.detail


async def test_who_is_heard_before_the_leg_is_open_is_heard_in_its_format(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[bytes] = []
    opened = MediaLeg.open

    async def early(leg: MediaLeg) -> None:
        assert leg._listener is not None
        leg._listener.on_audio(SLIN16.silence)
        await opened(leg)

    monkeypatch.setattr(MediaLeg, "open", early)
    monkeypatch.setattr(AnswerWatch, "hear", lambda watch, frame, at: heard.append(frame) or ())
    async with answered() as fake, held(fake, form=SLIN16, on_machine=OnMachine.CONTINUE) as call:
        await until(lambda: call.heard)
    assert heard == [ULAW.silence]


# --- which format it is --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "wanted", "form"),
    [("ulaw", "slin", ULAW), ("alaw", "slin", ALAW), ("g722", "slin", ULAW), ("g722", "slin16", SLIN16),
     ("opus", "slin16", SLIN16), ("alaw", "slin16", ALAW)],
)  # fmt: skip
async def test_the_leg_follows_carrier_and_engine(codec: str, wanted: str, form: Format) -> None:
    refused = {"kind": "audiosocket", "url": "tcp://127.0.0.1:9", "format": wanted}
    kinds = {"audiosocket": AudioSocketEngine}
    async with talking(engine=refused, kinds=kinds, codec=codec, stand_ins=(STAND_IN,)) as talk:
        leg = await talk.leg()
        assert leg.form == form.name
        # The embedded agent, which takes the call, speaks mu-law.
        await until(lambda: conversion(ULAW, form)(b"\x10" * 160)[: form.frame] in bytes(leg.audio))


async def test_an_engine_that_asterisk_leads_to_has_a_format_of_its_own() -> None:
    for settings, form in (({}, "ulaw"), ({"format": "slin24"}, "slin24")):
        engine = {"kind": "asterisk", "connection": "engine", "url": "", **settings}
        async with talking(engine=engine, direct=True, codec="alaw") as talk:
            await until(lambda talk=talk: talk.heard)
            assert talk.fake.direct_forms == {channel_of(CALL) + "-m": form}
            talk.fake.channels.clear()


async def test_a_text_that_is_taken_back_does_not_sound_in_the_next_one() -> None:
    async with answered() as fake, held(fake, singing(ULAW), form=SLIN16) as call:
        leg = await call.leg()
        await said(leg, SLIN16)
        assert call.talk.stage is not None
        call.talk.stage.stop()
        leg.audio.clear()
        call.talk.stage.listen(3, Millis(100))
        await until(lambda: bytes(leg.audio) == SLIN16.silence * 5)
