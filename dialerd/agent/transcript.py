"""The turns of a conversation, as they are reported: who, when (seconds since the answer), and what.

A turn is never changed but in two ways: a line that was not heard to its end is `interrupted`, and digits of one
entry are one turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialerd.core.clock import Millis

MAX_TURNS = 200
"""Turns that are kept; a callee who leans on the keys must not grow it without end."""
MAX_DIGITS = 64

Turns = tuple[Mapping[str, Any], ...]


def spoke(turns: Turns, text: str, at: Millis) -> Turns:
    """The agent says a line."""
    return _turn(turns, {"speaker": "agent", "time": _time(at), "text": text})


def said(turns: Turns, phrase: str, at: Millis) -> Turns:
    """The callee said something that was understood."""
    return _turn(turns, {"speaker": "callee", "time": _time(at), "text": phrase})


def said_something(turns: Turns, at: Millis) -> Turns:
    """The callee said something that was not understood."""
    return _turn(turns, {"speaker": "callee", "time": _time(at), "text": "", "understood": False})


def pressed(turns: Turns, digit: str, at: Millis, *, joined: bool) -> Turns:
    """The callee pressed a key; `joined`: it goes on with the entry of the last turn."""
    last = turns[-1] if turns else {}
    if joined and last.get("speaker") == "callee" and len(last.get("digits", "")) in range(1, MAX_DIGITS):
        return (*turns[:-1], {**last, "digits": last["digits"] + digit})
    return _turn(turns, {"speaker": "callee", "time": _time(at), "digits": digit})


def cut_short(turns: Turns) -> Turns:
    """The last line of the agent was not heard to its end."""
    last = max((index for index, turn in enumerate(turns) if turn["speaker"] == "agent"), default=None)
    if last is None:
        return turns
    return (*turns[:last], {**turns[last], "interrupted": True}, *turns[last + 1 :])


def _turn(turns: Turns, turn: Mapping[str, Any]) -> Turns:
    return (*turns, turn)[:MAX_TURNS]


def _time(at: Millis) -> float:
    return round(at / 1_000, 3)
