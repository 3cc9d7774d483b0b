"""What a callee hears while a person is called for it, and what becomes of the conversation meanwhile."""

from __future__ import annotations

from dialerd.core.clock import Millis
from dialerd.core.transfer import TransferWish
from dialerd.media.playout import SILENCE
from dialerd.media.ringing import RINGING
from tests.adapters.waiting import until
from tests.media.fake_agent import FRAME
from tests.media.test_session import answered, held

WISH = TransferWish("support", reason="asked for a person")


async def test_the_agent_asks_and_the_callee_hears_ringing_after_its_last_line() -> None:
    async with answered() as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: ("played", 1) in call.talk.told)
        assert call.talk.stage is not None
        call.talk.stage.escalate(WISH)
        call.talk.stage.play(5, call.talk.audio(20))
        assert call.wishes == [(WISH, 1)]
        await until(lambda: ("played", 5) in call.talk.told)
        await until(lambda: RINGING in leg.audio)
        assert FRAME * 20 in leg.audio
        call.session.detach()
        await call.outcome()


async def test_where_it_waits_for_an_answer_the_callee_hears_ringing_instead_of_silence() -> None:
    async with answered() as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: leg.audio.endswith(SILENCE * 50))
        assert call.talk.stage is not None
        call.talk.stage.escalate(WISH)
        await leg.press("1")
        await until(lambda: ("played", 2) in call.talk.told)
        await until(lambda: RINGING in leg.audio)


async def test_a_wait_that_is_running_goes_on_under_the_ringing() -> None:
    async with answered() as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: leg.audio.endswith(SILENCE * 50))
        assert call.talk.stage is not None
        call.talk.stage.listen(55, Millis(300))
        call.talk.stage.escalate(WISH)
        await until(lambda: RINGING in leg.audio)
        await until(lambda: ("silence", 55) in call.talk.told)


async def test_a_transfer_that_failed_is_the_conversations_to_go_on_from() -> None:
    async with answered() as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: ("played", 1) in call.talk.told)
        assert call.talk.stage is not None
        call.talk.stage.escalate(WISH)
        call.session.transfer_failed("busy")
        await until(lambda: ("played", 7) in call.talk.told)
        assert ("transfer_failed", "busy") in call.talk.told
        assert {"command": "FLUSH_MEDIA"} in leg.commands
        call.talk.stage.escalate(WISH)
        assert [ask for _, ask in call.wishes] == [1, 2]


async def test_a_cold_transfer_that_somebody_else_asked_for_silences_the_agent_until_it_has_failed() -> None:
    async with answered() as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: leg.audio.endswith(SILENCE * 50))
        call.session.hold(warm=False)
        await until(lambda: RINGING in leg.audio)
        call.session.on_key("1")
        call.session.transfer_failed("no_answer")
        await until(lambda: ("played", 7) in call.talk.told)
        assert ("key", "1") not in call.talk.told
        await leg.press("1")
        await until(lambda: ("played", 2) in call.talk.told)


async def test_one_that_is_asked_for_before_the_agent_was_heard_leaves_it_its_opening() -> None:
    async with answered(not_ready=3) as fake, held(fake) as call:
        call.session.hold(warm=False)
        leg = await call.leg()
        await until(lambda: ("played", 1) in call.talk.told)
        await until(lambda: RINGING in leg.audio)
        assert call.heard == 1


async def test_a_warm_one_lets_it_talk_on() -> None:
    async with answered() as fake, held(fake) as call:
        leg = await call.leg()
        await until(lambda: leg.audio.endswith(SILENCE * 50))
        call.session.hold(warm=True)
        await leg.press("1")
        await until(lambda: ("played", 2) in call.talk.told)
        await until(lambda: RINGING in leg.audio)
