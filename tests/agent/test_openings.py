"""First sentences of calls that ring: spoken one by one, few in waiting, and forgotten where nobody answers."""

from __future__ import annotations

import asyncio

import pytest

from dialerd.agent.openings import Opening, Openings
from dialerd.agent.voices import Voice
from dialerd.core.errors import PortError
from tests.adapters.waiting import until

VOICE = Voice("female", "en-IN")


def hello(name: str) -> Opening:
    return Opening(f"Hello {name}.", VOICE)


class SlowSpeech:
    """Speaks when it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.kept: set[str] = set()
        self.broken = False
        self.gate = asyncio.Event()

    async def clip(self, text: str, voice: Voice, *, personal: bool) -> bytes:
        assert personal
        self.asked.append(text)
        await self.gate.wait()
        if self.broken:
            raise PortError("no voice today", retryable=True)
        self.kept.add(text)
        return text.encode()

    def forget(self, text: str, voice: Voice) -> None:
        self.kept.discard(text)


async def expected(openings: Openings, speech: SlowSpeech, when: str) -> None:
    """The opening of A is `waiting` behind another one, `rendering` or `rendered`."""
    if when == "waiting":
        openings.expect("other", hello("other"))
        await until(lambda: speech.asked)
    openings.expect("A", hello("A"))
    if when != "waiting":
        await until(lambda: speech.asked)
    if when == "rendered":
        speech.gate.set()
        await settled(openings)
        assert speech.kept == {"Hello A."}


async def settled(openings: Openings) -> None:
    await until(lambda: openings._rendering is None)


async def test_one_after_the_other() -> None:
    speech = SlowSpeech()
    openings = Openings(speech)
    for name in ("A", "B", "C"):
        openings.expect(name, hello(name))
    openings.expect("A", hello("A"))
    await until(lambda: speech.asked)
    assert speech.asked == ["Hello A."]
    speech.gate.set()
    await settled(openings)
    assert speech.asked == ["Hello A.", "Hello B.", "Hello C."]
    assert speech.kept == set(speech.asked)
    openings.expect("A", hello("A"))
    await asyncio.sleep(0)
    assert len(speech.asked) == 3, "the phone rings on, over another trunk"


async def test_behind_too_many_it_is_left_to_the_answer() -> None:
    speech = SlowSpeech()
    openings = Openings(speech, most=2)
    openings.expect("A", hello("A"))
    await until(lambda: speech.asked)
    for name in ("B", "C", "D", "E"):
        openings.expect(name, hello(name))
    speech.gate.set()
    await settled(openings)
    assert speech.asked == ["Hello A.", "Hello B.", "Hello C."]


@pytest.mark.parametrize("when", ["waiting", "rendering", "rendered"])
async def test_what_rings_in_vain_leaves_nothing(when: str) -> None:
    speech = SlowSpeech()
    openings = Openings(speech)
    await expected(openings, speech, when)
    openings.forgo("A")
    openings.forgo("A")
    speech.gate.set()
    await settled(openings)
    assert speech.kept == ({"Hello other."} if when == "waiting" else set())
    assert ("Hello A." in speech.asked) is (when != "waiting")


async def test_two_that_begin_alike_share_it() -> None:
    speech = SlowSpeech()
    speech.gate.set()
    openings = Openings(speech)
    openings.expect("A", hello("Asha"))
    openings.expect("B", hello("Asha"))
    await until(lambda: len(speech.asked) == 2)
    await settled(openings)
    openings.forgo("A")
    assert speech.kept == {"Hello Asha."}
    openings.forgo("B")
    assert speech.kept == set()


@pytest.mark.parametrize("when", ["waiting", "rendering", "rendered"])
async def test_what_was_answered_is_the_calls_own(when: str) -> None:
    speech = SlowSpeech()
    openings = Openings(speech)
    await expected(openings, speech, when)
    openings.take("A")
    openings.forgo("A")
    speech.gate.set()
    await settled(openings)
    assert ("Hello A." in speech.kept) is (when != "waiting"), "in the queue it is spoken by the call itself"


async def test_a_voice_that_fails_keeps_nobody_from_the_next() -> None:
    speech = SlowSpeech()
    speech.broken = True
    speech.gate.set()
    openings = Openings(speech)
    openings.expect("A", hello("A"))
    openings.expect("B", hello("B"))
    await settled(openings)
    assert speech.asked == ["Hello A.", "Hello B."]
    openings.close()


async def test_after_the_end_nothing_is_spoken() -> None:
    speech = SlowSpeech()
    openings = Openings(speech)
    for name in ("A", "B"):
        openings.expect(name, hello(name))
    await until(lambda: speech.asked)
    openings.close()
    speech.gate.set()
    await settled(openings)
    assert (speech.asked, speech.kept) == (["Hello A."], set())
