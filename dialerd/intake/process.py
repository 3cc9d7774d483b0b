"""Heavy work in a niced, long-lived child process, so that no import ever delays a dial.

One call at a time, each with a deadline; a child that dies is replaced and the call made once more. The
daemon only ever sees summaries and chunks of contacts.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import structlog

from dialerd.core.clock import Instant
from dialerd.core.dnc import DncEntry
from dialerd.core.errors import Fault, InvariantError, PortError, RequestError
from dialerd.core.results import Reject
from dialerd.intake import tasks
from dialerd.intake.contacts import Row, Rules, Tally, accepted
from dialerd.intake.report import Report
from dialerd.intake.worker import HEADER
from dialerd.ports import NewContact

DEADLINE = 60.0
"""Seconds for one call; a list of 10,000 takes well under one."""
QUEUE_DEADLINE = 120.0
"""Seconds a call may wait for those before it."""
CLOSE_DEADLINE = 2.0

T = TypeVar("T")

_log = structlog.get_logger("dialerd.intake")


class _ChildDied(Exception):
    pass


class Helper:
    """A child process that carries out functions by reference."""

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def start(self) -> None:
        """Start the child now, so that the first call need not wait for it."""
        async with self._turn:
            await self._ready_child()

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """`function(*arguments)` in the child; function, arguments and result must pickle.

        Raises `RequestError` and `PortError` as the function does, `PortError` if the child dies twice or the
        deadline passes, `InvariantError` for anything else the function raises.
        """
        request = pickle.dumps((function, arguments), protocol=pickle.HIGHEST_PROTOCOL)
        try:
            async with asyncio.timeout(QUEUE_DEADLINE):
                await self._turn.acquire()
        except TimeoutError:
            raise PortError(
                "other requests of this kind are queued up; try again later", retryable=True
            ) from None
        try:
            reply = await self._ask(request)
        finally:
            self._turn.release()
        return cast(T, _result(reply))

    async def close(self) -> None:
        """End the child; calls are refused from now on."""
        self._closed = True
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        try:
            async with asyncio.timeout(CLOSE_DEADLINE):
                await child.wait()
        except TimeoutError:
            await _kill(child)

    async def _ask(self, request: bytes) -> tuple[Any, ...]:
        for attempt in (1, 2):
            try:
                async with asyncio.timeout(self._deadline):
                    return await self._exchange(await self._ready_child(), request)
            except _ChildDied:
                _log.warning("intake.helper_died", attempt=attempt)
                await self._drop_child()
            except TimeoutError:
                await self._drop_child()
                raise PortError(
                    f"the helper process did not finish in {self._deadline:g} s", retryable=True
                ) from None
            except BaseException:
                # A reply that nobody waits for would be taken for the next call's.
                await asyncio.shield(self._drop_child())
                raise
        raise PortError(
            "the helper process died twice on this request; the system's log may say why (memory?)",
            retryable=True,
        )

    async def _ready_child(self) -> asyncio.subprocess.Process:
        if self._closed:
            raise PortError("the daemon is shutting down", retryable=True)
        if self._child is not None and self._child.returncode is None:
            return self._child
        try:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "dialerd.intake.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise PortError(f"cannot start the helper process: {error}", retryable=True) from error
        return self._child

    @staticmethod
    async def _exchange(child: asyncio.subprocess.Process, request: bytes) -> tuple[Any, ...]:
        if child.stdin is None or child.stdout is None:
            raise InvariantError("the helper process has no pipes")
        try:
            child.stdin.write(HEADER.pack(len(request)) + request)
            await child.stdin.drain()
            (size,) = HEADER.unpack(await child.stdout.readexactly(HEADER.size))
            reply: tuple[Any, ...] = pickle.loads(await child.stdout.readexactly(size))
        except (asyncio.IncompleteReadError, OSError) as error:
            raise _ChildDied from error
        return reply

    async def _drop_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await _kill(child)


async def _kill(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    if child.stdin is not None:
        child.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_DEADLINE):
            await child.wait()


def _result(reply: tuple[Any, ...]) -> Any:
    match reply:
        case ("done", value):
            return value
        case ("refused", *parts):
            raise RequestError(*parts)
        case ("failed", message, retryable):
            raise PortError(message, retryable=retryable)
        case ("broken", trace):
            raise InvariantError(f"the helper process raised:\n{trace}")
        case _:
            raise InvariantError("the helper process sent an unknown reply")


@dataclass(frozen=True, slots=True)
class CheckedList(Generic[T]):
    """A list that was read: the report on its rows, and what was accepted."""

    report: Report
    spool: Path
    unpack: Callable[[Path], Iterator[list[T]]]

    def chunks(self) -> Iterator[list[T]]:
        """What was accepted, at most 500 at a time."""
        return self.unpack(self.spool)

    def rejects(self) -> Iterator[list[Reject]]:
        """The rows of a contact list with faults, at most 500 at a time."""
        return tasks.unpack_rejects(tasks.rejected_beside(self.spool))

    def discard(self) -> None:
        """Delete the working files."""
        _discard(self.spool)


def _discard(spool: Path) -> None:
    spool.unlink(missing_ok=True)
    tasks.rejected_beside(spool).unlink(missing_ok=True)


class Intake:
    """Contact lists through the helper process, with working files in `spool_dir`."""

    def __init__(self, helper: Helper, spool_dir: Path, max_contacts: int) -> None:
        self._helper = helper
        self._spool_dir = spool_dir
        self._max_contacts = max_contacts

    def prepare(self) -> None:
        """Make the working folder and clear what an earlier run left in it. Raises `PortError`."""
        try:
            self._spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self._spool_dir.iterdir():
                if left.suffix in (".upload", ".accepted", ".rejected"):
                    left.unlink(missing_ok=True)
        except OSError as error:
            raise PortError(
                f"cannot use {self._spool_dir} for uploads: {error.strerror}", retryable=False
            ) from error

    async def document(self, path: Path) -> Mapping[str, Any]:
        """The fields of a campaign request in JSON, its contacts left out. Raises `RequestError` (400)."""
        return await self._helper.call(tasks.read_document, path)

    async def check(
        self,
        path: Path,
        kind: str,
        *,
        required: frozenset[str],
        default_region: str | None,
        kinds: Mapping[str, str] | None = None,
    ) -> CheckedList[NewContact]:
        """Validate a list (`kind`: `csv`, or `json` for a request's `contacts`); `discard` the result.

        `kinds` are the types of variables.
        """
        rules = Rules(required, default_region, self._max_contacts, kinds=kinds or {})
        check = tasks.check_csv if kind == "csv" else tasks.check_json
        return await self._checked(tasks.unpack, check, path, rules)

    async def check_numbers(self, path: Path, now: Instant) -> CheckedList[DncEntry]:
        """Validate a CSV of numbers not to be called; `discard` the result."""
        return await self._checked(tasks.unpack_numbers, tasks.check_numbers, path, now)

    async def _checked(
        self,
        unpack: Callable[[Path], Iterator[list[T]]],
        check: Callable[..., Report],
        path: Path,
        rule: object,
    ) -> CheckedList[T]:
        spool = self._spool_dir / f"{secrets.token_hex(8)}.accepted"
        try:
            return CheckedList(await self._helper.call(check, path, spool, rule), spool, unpack)
        except BaseException:
            # Cancelled too: the file is personal data.
            _discard(spool)
            raise

    @staticmethod
    def contact(values: Mapping[str, Any], required: frozenset[str]) -> tuple[NewContact | None, list[Fault]]:
        """One contact by the rules of a list's row, in this process; a fault's `loc` is the field, if it is of one."""
        tally = Tally()
        rules = Rules(required, None, max_contacts=1, names_region=False)
        found = next(accepted([Row(0, values, in_json=True)], rules, tally), None)
        return found, [Fault(note.field or "", note.msg) for note in tally.faults]
