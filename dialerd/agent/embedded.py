"""The embedded agent: holds scripts, prepares their prompts, and leads the conversation of each call.

It turns the dialogue's actions into what happens on the call's stage (play, stop, listen, report, hang up). It
knows neither Asterisk nor sockets; the media side knows neither scripts nor texts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Protocol

from dialerd.agent import dialogue
from dialerd.agent.clips import ClipCache
from dialerd.agent.dialogue import Action, CalleeLeft, Event, KeyPressed, LinePlayed, Sentence, SilenceElapsed
from dialerd.agent.script import ScriptDocument, from_body
from dialerd.agent.speech import Speech
from dialerd.agent.voices import Voice
from dialerd.core.clock import Millis
from dialerd.core.effects import AttachAgent
from dialerd.core.errors import InvariantError, PortError
from dialerd.core.model import AgentReport
from dialerd.core.transfer import TransferWish


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

    def finish(self, report: AgentReport) -> None:
        """The conversation is over."""
        ...


class EmbeddedAgent:
    """Scripted conversations, in the voices of `speech`."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech
        self._scripts: dict[tuple[str, int], ScriptDocument] = {}

    @classmethod
    def caching(cls, folder: Path) -> EmbeddedAgent:
        """An agent that keeps its prompts in `folder`."""
        return cls(Speech(ClipCache(folder)))

    async def start(self) -> None:
        """Get ready to speak. Raises `PortError` with the remedy; may be called again."""
        await self._speech.start()

    async def close(self) -> None:
        """Let go of what `start` took."""
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
        dialogue.check_language(script, language)
        speaker = self._speech.voice(language, voice or script.texts[language].voice)
        # One after the other: a large script must not keep the calls' own sentences waiting.
        for sentence in dialogue.static_sentences(script, language):
            await self._speech.clip(sentence, speaker, personal=False)

    def converse(self, order: AttachAgent) -> ScriptedConversation:
        """The conversation for a call. Raises `RequestError` or `PortError` where it cannot be held."""
        script = self._script(order.script_id, order.script_version)
        contact = {**order.variables, "phone": order.phone}
        if order.name is not None:
            contact["name"] = order.name
        dialogue.check_language(script, order.language)
        voice = self._speech.voice(order.language, order.voice or script.texts[order.language].voice)
        return ScriptedConversation(self._speech, voice, *dialogue.start(script, order.language, contact))

    def _script(self, script_id: str, version: int) -> ScriptDocument:
        script = self._scripts.get((script_id, version))
        if script is None:
            raise PortError(f"the script {script_id}, version {version}, was never prepared", retryable=False)
        return script


class ScriptedConversation:
    """One call's conversation: events in, the stage is told what to do."""

    hears = False
    """It needs the callee's keys, not the callee's audio."""

    def __init__(
        self, speech: Speech, voice: Voice, state: dialogue.State, opening: tuple[Action, ...]
    ) -> None:
        self._speech = speech
        self._voice = voice
        self._state = state
        self._opening = opening
        self._stage: Stage | None = None
        self._first = self._prepared(opening)

    def _prepared(self, opening: tuple[Action, ...]) -> asyncio.Task[bytes] | None:
        """The first sentence is rendered while the media leg is still being opened."""
        first = next(
            (
                action.sentences[0]
                for action in opening
                if isinstance(action, dialogue.Say) and action.sentences
            ),
            None,
        )
        if first is None:
            return None
        task = asyncio.get_running_loop().create_task(
            self._speech.clip(first.text, self._voice, personal=first.personal)
        )
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

    def heard(self, audio: bytes, at: Millis) -> None:
        """The callee's audio: it hears none."""

    def played(self, number: int, at: Millis) -> None:
        """What `Stage.play` numbered so was heard to its end."""
        self._take(LinePlayed(number, at))

    def silence(self, number: int, at: Millis) -> None:
        """What `Stage.listen` numbered so has passed."""
        self._take(SilenceElapsed(number, at))

    def transfer_failed(self, reason: str, at: Millis) -> None:
        """Nobody was connected with the callee: a script says nothing for that yet, so the call ends."""
        if self._stage is not None:
            self._stage.finish(self.report)

    def close(self, at: Millis) -> AgentReport:
        """The call is over, whoever ended it: the last word."""
        if self._first is not None:
            self._first.cancel()
        self._state, _ = dialogue.step(self._state, CalleeLeft(at))
        return self._state.report

    @property
    def report(self) -> AgentReport:
        """What is known so far."""
        return self._state.report

    def _take(self, event: Event) -> None:
        self._state, actions = dialogue.step(self._state, event)
        self._perform(actions)

    def _perform(self, actions: tuple[Action, ...]) -> None:
        stage = self._stage
        if stage is None:
            raise InvariantError("a conversation was given events before its stage")
        for action in actions:
            match action:
                case dialogue.Say():
                    stage.play(action.number, self._speak(action.sentences))
                case dialogue.Hush():
                    stage.stop()
                case dialogue.Listen():
                    stage.listen(action.number, action.duration)
                case dialogue.Report():
                    stage.report(action.report)
                case dialogue.HangUp():
                    stage.finish(action.report)

    async def _speak(self, sentences: tuple[Sentence, ...]) -> AsyncGenerator[bytes]:
        for sentence in sentences:
            yield await self._speech.clip(sentence.text, self._voice, personal=sentence.personal)
