"""What callees say, heard by a process of its own: the loop that carries the calls' audio never waits for it.

It is a convenience beside the keys: whatever goes wrong with it costs the words, never a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable

import structlog

from dialerd.agent.utterance import Utterances
from dialerd.core.clock import Millis

DEADLINE = 3.0
"""Seconds for an utterance; it takes some hundredths of one, and waits for those before it."""
MOST = 50
"""Utterances that may wait; further ones are not heard."""
START_DEADLINE = 20.0
REST = 30.0
"""Seconds before a process that was of no use is followed by another one."""

_log = structlog.get_logger("dialerd.agent")


class Listener:
    """The process that recognises phrases, started when it is first needed and again when it has died."""

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", "dialerd.agent.listener")) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._asked: dict[int, asyncio.Future[str | None]] = {}
        self._number = 0
        self._not_before = 0.0

    async def start(self) -> None:
        """Have it loaded before anybody speaks. A failure is logged."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_DEADLINE):
                if await self._ready():
                    await self._ask(b"", ())

    async def recognise(self, utterance: bytes, phrases: tuple[str, ...]) -> str | None:
        """Which of `phrases` was said; None: none of them, or it was not to be known in time."""
        if len(self._asked) >= MOST:
            return None
        try:
            async with asyncio.timeout(DEADLINE):
                return await self._ask(utterance, phrases) if await self._ready() else None
        except TimeoutError:
            _log.warning("words.not_heard", detail=f"no answer within {DEADLINE:g} s")
            self._drop()
            return None

    async def close(self) -> None:
        """End the process."""
        self._drop()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _ready(self) -> bool:
        async with self._starting:
            if self._process is not None and self._process.returncode is None:
                return True
            if asyncio.get_running_loop().time() < self._not_before:
                return False
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
                )
            except OSError as error:
                self._failed(str(error))
                return False
            self._reading = asyncio.get_running_loop().create_task(self._read(self._process))
            return True

    async def _ask(self, utterance: bytes, phrases: tuple[str, ...]) -> str | None:
        process = self._process
        if process is None or process.stdin is None:
            return None
        self._number += 1
        number = self._number
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        head = {"number": number, "phrases": phrases, "size": len(utterance)}
        try:
            process.stdin.write(json.dumps(head).encode() + b"\n" + utterance)
            await process.stdin.drain()
            phrase: str | None = await answer
            return phrase
        except OSError:
            return None
        finally:
            self._asked.pop(number, None)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hand on what the process says, until it has ended."""
        assert process.stdout is not None
        useful = False
        try:
            while line := await process.stdout.readline():
                said = json.loads(line)
                answer = self._asked.get(said["number"])
                useful = True
                if answer is not None and not answer.done():
                    answer.set_result(said["phrase"])
        except (ValueError, KeyError, TypeError) as error:
            _log.error("words.garbled", detail=str(error))
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        status = await process.wait()
        if process is self._process:
            if not useful:
                self._failed(f"its process has ended with {status} before it heard anything")
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_result(None)

    def _failed(self, detail: str) -> None:
        """It is no use to start another one at once."""
        _log.warning("words.not_heard", detail=detail)
        self._not_before = asyncio.get_running_loop().time() + REST

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(None)


class Ear:
    """One call's hearing: utterances are found in its audio and handed to the listener with what may be said then."""

    def __init__(
        self,
        listener: Listener,
        phrases: Callable[[], tuple[str, ...]],
        tell: Callable[[str | None, Millis], None],
    ) -> None:
        self._listener = listener
        self._phrases = phrases
        self._tell = tell
        self._utterances = Utterances()
        self._pending: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether the callee is speaking, or has spoken and it is not yet known what."""
        return self._utterances.speaking or bool(self._pending)

    def hear(self, audio: bytes, at: Millis) -> None:
        """More of the callee's audio, which ends at `at`."""
        for utterance in self._utterances.feed(audio):
            task = asyncio.get_running_loop().create_task(self._understand(utterance, at))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    def close(self) -> None:
        """Listen no more."""
        for task in self._pending:
            task.cancel()

    async def _understand(self, utterance: bytes, at: Millis) -> None:
        phrases = self._phrases()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        phrase = await self._listener.recognise(utterance, phrases) if utterance and phrases else None
        try:
            self._tell(phrase, Millis(at + round((loop.time() - begun) * 1_000)))
        except Exception as error:  # noqa: BLE001 - what was said is lost, the call is not
            _log.error("words.not_taken", exc_info=error)
