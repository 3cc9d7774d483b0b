"""The embedded agent: holds scripts, prepares their prompts, and leads the conversation of each call.

It turns the dialogue's actions into what happens on the call's stage (play, stop, listen, report, hang up). It
knows neither Asterisk nor sockets; the media side knows neither scripts nor texts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import structlog

from dialerd.agent import dialogue
from dialerd.agent.answer import Clock
from dialerd.agent.clips import ClipCache
from dialerd.agent.course import Stepped
from dialerd.agent.exchange import (
    Action,
    CallbackUnmet,
    CalleeLeft,
    Escalate,
    Event,
    HangUp,
    Hush,
    KeyPressed,
    LinePlayed,
    Listen,
    Report,
    Resumed,
    Say,
    Sentence,
    SilenceElapsed,
    Spoken,
    TransferFailed,
)
from dialerd.agent.hearing import Ear, Listener
from dialerd.agent.lines import VOICEMAIL
from dialerd.agent.openings import Opening, Openings
from dialerd.agent.prompts import Prompts
from dialerd.agent.script import ScriptDocument, from_body
from dialerd.agent.speech import Speech
from dialerd.agent.standing import State
from dialerd.agent.voices import Voice
from dialerd.agent.wording import check_language, in_sentences, static_sentences
from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import Unmet
from dialerd.core.effects import AttachAgent
from dialerd.core.errors import InvariantError, PortError
from dialerd.core.model import AgentReport
from dialerd.core.transfer import TransferTrigger, TransferWish

_REASONS = {
    TransferTrigger.REQUEST: "the callee asked for a person",
    TransferTrigger.KEYWORD: "the callee asked for a person, in words",
    TransferTrigger.KEY: "the callee asked for a person, by key",
    TransferTrigger.MAX_DURATION: "the conversation reached the script's limit",
    TransferTrigger.CONDITION: "the script leads to a person here",
}

PUT_OFF, MOST_PUT_OFF = Millis(500), 12
"""For how long, and how often, the end of a silence is put off for who is just speaking."""

_log = structlog.get_logger("dialerd.agent")


def wall_clock() -> Instant:
    """The instant it is."""
    return Instant(time.time_ns() // 1_000_000)


class Stage(Protocol):
    """What a conversation can do to its call."""

    def play(self, number: int, audio: AsyncGenerator[bytes]) -> None:
        """Send `audio`; `played(number)` follows when its last frame was heard."""
        ...

    def stop(self) -> None:
        """Fall silent at once; what was playing will not be told as played."""
        ...

    def listen(self, number: int, duration: Millis) -> None:
        """`silence(number)` follows after `duration`, unless something is played or awaited meanwhile."""
        ...

    def report(self, report: AgentReport) -> None:
        """Tell what is known so far."""
        ...

    def escalate(self, wish: TransferWish) -> None:
        """Have the callee connected with a person; `transfer_failed` follows if that cannot be."""
        ...

    def spoken(self, *, understood: bool) -> bool:
        """The callee has said something, `understood` or not. False: it is not to be answered, nobody would hear it."""
        ...

    def finish(self, report: AgentReport) -> None:
        """The conversation is over."""
        ...


class EmbeddedAgent:
    """Scripted conversations, in the voices of `speech`."""

    def __init__(
        self, speech: Speech, now: Callable[[], Instant] = wall_clock, listener: Listener | None = None
    ) -> None:
        self._speech = speech
        self._listener = listener or Listener()
        self._now = now
        self._scripts: dict[tuple[str, int], ScriptDocument] = {}
        self._openings = Openings(speech)

    @classmethod
    def caching(cls, folder: Path, prompts: Path | None = None) -> EmbeddedAgent:
        """An agent that keeps what it renders in `folder`; `prompts` holds the recordings that scripts name."""
        return cls(Speech(ClipCache(folder), Prompts(prompts)))

    async def start(self) -> None:
        """Get ready to speak. Raises `PortError` with the remedy; may be called again."""
        await self._speech.start()

    async def close(self) -> None:
        """Let go of what `start` took."""
        self._openings.close()
        await self._listener.close()
        await self._speech.close()

    @property
    def languages(self) -> tuple[str, ...]:
        """What it can speak, BCP-47."""
        return self._speech.languages

    def learn(self, script_id: str, version: int, body: Mapping[str, Any]) -> None:
        """Hold a script version; it never changes. Raises `InvariantError` if `body` is no script."""
        if (script_id, version) not in self._scripts:
            self._scripts[script_id, version] = from_body(body)

    async def prepare(self, script_id: str, version: int, language: str, voice: str | None = None) -> None:
        """Render what the script says alike to everybody in `language`; `voice` None: in the script's own.

        Raises `RequestError` if it has no such language or no voice speaks it, `PortError` if rendering fails.
        """
        script = self._script(script_id, version)
        check_language(script, language)
        speaker = self._speech.voice(language, voice or script.texts[language].voice)
        # One after the other: a large script must not keep the calls' own sentences waiting.
        for sentence in static_sentences(script, language):
            await _clip(self._speech, speaker, sentence)
        if _hears(script, language):
            await self._listener.start()

    def foresee(self, order: AttachAgent) -> None:
        """The call's phone rings: have its first sentence spoken, if it holds the callee's values.

        Raises as `converse`. What is said alike to everybody is ready already.
        """
        script = self._script(order.script_id, order.script_version)
        # What tells of a recording comes before it, and is said alike to everybody.
        _, opening = self._begin(script, replace(order, record=False))
        first = _first(opening)
        if first is not None and first.personal and first.audio is None:
            self._openings.expect(order.call, Opening(first.text, self._voice(script, order)))

    def forgo(self, call: str) -> None:
        """The phone rang in vain, or somebody else has the call; unknown: nothing."""
        self._openings.forgo(call)

    def converse(self, order: AttachAgent) -> ScriptedConversation:
        """The conversation for a call. Raises `RequestError` or `PortError` where it cannot be held."""
        self._openings.take(order.call)
        script = self._script(order.script_id, order.script_version)
        state, opening = self._begin(script, order)
        voice = self._voice(script, order)
        listener = self._listener if _hears(script, order.language) else None
        return ScriptedConversation(self._speech, voice, state, opening, listener)

    def _begin(self, script: ScriptDocument, order: AttachAgent) -> Stepped:
        contact = {**order.variables, "phone": order.phone}
        if order.name is not None:
            contact["name"] = order.name
        clock = Clock(self._now(), order.zone or "UTC")
        return dialogue.start(script, order.language, contact, clock, recorded=order.record, most=order.most)

    def _voice(self, script: ScriptDocument, order: AttachAgent) -> Voice:
        return self._speech.voice(order.language, order.voice or script.texts[order.language].voice)

    def _script(self, script_id: str, version: int) -> ScriptDocument:
        script = self._scripts.get((script_id, version))
        if script is None:
            raise PortError(f"the script {script_id}, version {version}, was never prepared", retryable=False)
        return script


class ScriptedConversation:
    """One call's conversation: events in, the stage is told what to do."""

    def __init__(
        self,
        speech: Speech,
        voice: Voice,
        state: State,
        opening: tuple[Action, ...],
        listener: Listener | None = None,
    ) -> None:
        """`listener` None: it needs the callee's keys, not the callee's audio."""
        self._speech = speech
        self._voice = voice
        self._state = state
        self._opening = opening
        self._stage: Stage | None = None
        self._first = self._prepared(opening)
        self._ear = Ear(listener, lambda: self._state.phrases, self._said) if listener is not None else None
        self._put_off = 0

    def _prepared(self, opening: tuple[Action, ...]) -> asyncio.Task[bytes] | None:
        """The first sentence is rendered while the media leg is still being opened."""
        first = _first(opening)
        if first is None:
            return None
        task = asyncio.get_running_loop().create_task(_clip(self._speech, self._voice, first))
        # Its error is met again when the sentence is played.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    def start(self, stage: Stage) -> None:
        """Begin to speak."""
        self._stage = stage
        self._perform(self._opening)

    def key_pressed(self, digit: str, at: Millis) -> None:
        """The callee pressed a key."""
        self._take(KeyPressed(digit, at))

    @property
    def hears(self) -> bool:
        """Whether it wants the callee's audio: its script takes words."""
        return self._ear is not None

    def heard(self, audio: bytes, at: Millis) -> None:
        """The callee's audio, 20 ms of mu-law."""
        if self._ear is not None:
            self._ear.hear(audio, at)

    def played(self, number: int, at: Millis) -> None:
        """What `Stage.play` numbered so was heard to its end."""
        self._take(LinePlayed(number, at))

    def silence(self, number: int, at: Millis) -> None:
        """What `Stage.listen` numbered so has passed; who is just speaking is heard out."""
        if self._ear is not None and self._ear.busy and self._stage and self._put_off < MOST_PUT_OFF:
            self._put_off += 1
            self._stage.listen(number, PUT_OFF)
            return
        self._put_off = 0
        self._take(SilenceElapsed(number, at))

    def transfer_failed(self, reason: str, at: Millis) -> None:
        """Nobody was connected with the callee."""
        self._take(TransferFailed(reason, at))

    def callback_unmet(self, asked: Instant, unmet: Unmet, at: Millis) -> None:
        """The callee cannot be called back then."""
        self._take(CallbackUnmet(asked, unmet.next, unmet.latest, at))

    @property
    def knows_words(self) -> bool:
        """Whether it tells the stage of what it understands."""
        return self.hears

    def resume(self, at: Millis) -> None:
        """The line was silenced, and a person is there who has not heard it."""
        self._take(Resumed(at))

    def message(self) -> AsyncGenerator[bytes] | None:
        """What is left on an answering machine; None: the script has nothing for one."""
        line = self._state.texts.lines.get(VOICEMAIL)
        if line is None:
            return None
        return self._speak(in_sentences(line, self._state.values))

    def close(self, at: Millis) -> AgentReport:
        """The call is over, whoever ended it: the last word."""
        if self._first is not None:
            self._first.cancel()
        if self._ear is not None:
            self._ear.close()
        self._state, _ = dialogue.step(self._state, CalleeLeft(at))
        return self._state.report

    @property
    def report(self) -> AgentReport:
        """What is known so far."""
        return self._state.report

    def _said(self, phrase: str | None, at: Millis) -> None:
        if self._stage is not None and self._stage.spoken(understood=phrase is not None):
            self._take(Spoken(phrase, at))

    def _take(self, event: Event) -> None:
        self._state, actions = dialogue.step(self._state, event)
        self._perform(actions)

    def _perform(self, actions: tuple[Action, ...]) -> None:
        stage = self._stage
        if stage is None:
            raise InvariantError("a conversation was given events before its stage")
        for action in actions:
            match action:
                case Say():
                    stage.play(action.number, self._speak(action.sentences))
                case Hush():
                    stage.stop()
                case Listen():
                    stage.listen(action.number, action.duration)
                case Report():
                    stage.report(action.report)
                case Escalate():
                    stage.escalate(_wish(action))
                case HangUp():
                    stage.finish(action.report)

    async def _speak(self, sentences: tuple[Sentence, ...]) -> AsyncGenerator[bytes]:
        for sentence in sentences:
            yield await _clip(self._speech, self._voice, sentence)


def _first(opening: tuple[Action, ...]) -> Sentence | None:
    """What is heard first."""
    said = (action.sentences[0] for action in opening if isinstance(action, Say) and action.sentences)
    return next(said, None)


def _hears(script: ScriptDocument, language: str) -> bool:
    return script.flow.worded and language.split("-")[0] == "en"


async def _clip(speech: Speech, voice: Voice, sentence: Sentence) -> bytes:
    """A sentence as audio: its recording where there is one that can be played, else the voice."""
    if sentence.audio is not None:
        try:
            return await speech.recording(sentence.audio)
        except PortError as error:
            _log.warning("prompts.not_played", detail=str(error))
    return await speech.clip(sentence.text, voice, personal=sentence.personal)


def _wish(action: Escalate) -> TransferWish:
    return TransferWish(
        target=action.target,
        warm=action.warm,
        reason=_REASONS[action.trigger],
        summary=action.summary,
        timeout=action.timeout,
        trigger=action.trigger,
    )
