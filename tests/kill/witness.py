"""What the callees saw: every call of a SIPp message log, from its first INVITE to its end."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from tests.sipp import Message, messages

_REQUEST = re.compile(r"^(?P<method>[A-Z]+) sip:(?:(?P<user>[^@\s]+)@)?")
_STATUS = re.compile(r"^SIP/2\.0 (?P<code>\d{3})")
_CSEQ = re.compile(r"^CSeq: *\d+ (?P<method>[A-Z]+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Sight:
    """One call as the callee saw it. Instants are seconds since the epoch."""

    number: str
    """E.164, with its plus sign."""
    at: float
    """When its first INVITE came."""
    rang: bool = False
    """Whether the caller was told so (an 18x was sent)."""
    code: int | None = None
    """The callee's final answer; None: it had not answered yet when the log ended."""
    cancelled: bool = False
    """The caller gave up first."""
    left: bool = False
    """The caller hung up first."""
    ended_at: float | None = None
    """The final refusal, the CANCEL or the first BYE; None: nobody ended it, so the caller had died."""

    @property
    def answered(self) -> bool:
        """Whether the callee took the call."""
        return self.code == 200


def sights(log: Path) -> dict[str, list[Sight]]:
    """Every call in the log by number, in order."""
    calls: dict[str, Sight] = {}
    for message in messages(log):
        ident = message.call_id
        if ident is None:
            continue
        seen = calls.get(ident)
        request = _REQUEST.match(message.text)
        if seen is not None:
            calls[ident] = _after(seen, message)
        elif request is not None and request["method"] == "INVITE" and message.received:
            calls[ident] = Sight("+" + request["user"].lstrip("+"), message.at)
    by_number: dict[str, list[Sight]] = defaultdict(list)
    for seen in sorted(calls.values(), key=lambda call: call.at):
        by_number[seen.number].append(seen)
    return by_number


def _after(seen: Sight, message: Message) -> Sight:
    """The call after one more of its messages; one that is sent again changes nothing."""
    request = _REQUEST.match(message.text)
    match request["method"] if request is not None else None:
        case "CANCEL":
            return _ended(replace(seen, cancelled=True), message.at)
        case "BYE":
            left = seen.left or (message.received and seen.ended_at is None)
            return _ended(replace(seen, left=left), message.at)
    return seen if message.received else _answered(seen, message)


def _answered(seen: Sight, message: Message) -> Sight:
    status, cseq = _STATUS.match(message.text), _CSEQ.search(message.text)
    if status is None or cseq is None or cseq["method"] != "INVITE" or seen.code is not None:
        return seen
    code = int(status["code"])
    if code < 200:
        return replace(seen, rang=seen.rang or code >= 180)
    final = replace(seen, code=code)
    return final if code == 200 else _ended(final, message.at)


def _ended(seen: Sight, at: float) -> Sight:
    return seen if seen.ended_at is not None else replace(seen, ended_at=at)
