"""The daemon's connection to one media worker: lines out, messages in, questions answered, a pulse.

It knows the protocol, not what the messages mean for calls. Once it is lost it stays lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from dialerd.media import rendezvous, wire

HELLO_DEADLINE = 2.0

_log = structlog.get_logger("dialerd.media")


class LinkLost(Exception):
    """The connection is of no use any more; the message says why."""


class WorkerSilent(LinkLost):
    """The worker gives no sign of life."""


class WorkerLink:
    """A connection that has begun with the worker's `hello`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pid: int, hello: wire.Hello
    ) -> None:
        self.pid = pid
        self.hello = hello
        self._reader = reader
        self._writer = writer
        self._questions: dict[int, asyncio.Future[wire.Prepared]] = {}
        self._asked = 0
        self._alive = True

    @classmethod
    async def connect(cls, path: Path) -> WorkerLink:
        """Connect to the worker at `path`. Raises `OSError` if none answers, `LinkLost` if it makes no sense."""
        reader, writer, pid = await rendezvous.connect(path)
        try:
            async with asyncio.timeout(HELLO_DEADLINE):
                hello = wire.read_for_daemon(await reader.readline())
        except (wire.Garbled, ValueError, TimeoutError, OSError) as error:
            writer.close()
            raise LinkLost(f"the media worker does not say who it is: {error}") from error
        except BaseException:
            # Cancelled: the connection is nobody's.
            writer.close()
            raise
        if not isinstance(hello, wire.Hello):
            writer.close()
            raise LinkLost(f"the media worker begins with {hello.kind!r}")
        return cls(reader, writer, pid, hello)

    def send(self, message: wire.ToWorker) -> bool:
        """Write a line; after a loss it goes nowhere. False: it is longer than a worker takes, and is not written."""
        line = wire.encode(message)
        if len(line) > wire.MAX_LINE:
            _log.error("media.line_too_long", kind=message.kind, bytes=len(line))
            return False
        if not self._writer.is_closing():
            self._writer.write(line)
        return True

    def ask(self, script: wire.Prepare) -> asyncio.Future[wire.Prepared]:
        """Ask the worker to prepare a script; the answer may also be `LinkLost`."""
        self._asked += 1
        number = self._asked
        answer: asyncio.Future[wire.Prepared] = asyncio.get_running_loop().create_future()
        self._questions[number] = answer
        # Who waited for it may have gone: an answer that nobody reads is no error.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        if not self.send(replace(script, request=number)):
            del self._questions[number]
            answer.set_result(
                wire.Prepared(number, f"the script {script.script_id} is too long", refused=True)
            )
        return answer

    async def read(self, take: Callable[[wire.ToDaemon], None]) -> None:
        """Hand every message to `take` until the connection is lost. Raises `LinkLost`."""
        try:
            while line := await self._reader.readline():
                self._alive = True
                message = wire.read_for_daemon(line)
                if isinstance(message, wire.Prepared):
                    question = self._questions.pop(message.request, None)
                    if question is not None and not question.done():
                        question.set_result(message)
                else:
                    take(message)
        except (wire.Garbled, ValueError) as error:
            raise LinkLost(f"the media worker writes what is no message: {error}") from error
        except OSError as error:
            raise LinkLost(f"the connection to the media worker broke: {error}") from error
        raise LinkLost("the media worker closed its connection")

    async def keep_pulse(self, interval: float) -> None:
        """Ask again and again whether the worker lives. Raises `WorkerSilent` when it has not said a word."""
        while True:
            self._alive = False
            self.send(wire.Ping())
            await asyncio.sleep(interval)
            if not self._alive:
                raise WorkerSilent(f"the media worker has been silent for {interval:g} s")

    def close(self) -> None:
        """Close the connection; who still waits for an answer is told."""
        for question in self._questions.values():
            if not question.done():
                question.set_exception(LinkLost("the connection to the media worker was closed"))
        self._questions.clear()
        with contextlib.suppress(OSError):
            self._writer.close()
