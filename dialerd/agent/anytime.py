"""How a script writes what holds in every state: the keys and words for no more calls, and for a person.

Both forms read it here. Where it leads is known to the form alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dialerd.agent.asking import read_keys, read_phrases
from dialerd.agent.document import Node
from dialerd.agent.flow import ESCALATE, Escalation, Everywhere
from dialerd.agent.vocabulary import MAX_LABEL, Vocabulary
from dialerd.core.transfer import parse_target

TRANSFERRING = "transferring"
"""The line before a transfer."""
ASKED = ("keys", "words")
ESCALATION = (*ASKED, "target", "warm", "timeout_seconds", "summary")
"""Fields of `escalation`, beside what a form adds."""

_PLAN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read_asked(fields: Mapping[str, Node], words: Vocabulary, key: str, goto: str) -> Everywhere:
    """`keys` and `words` that lead to `goto`; `key` is the one where none is given."""
    keys = read_keys(fields["keys"]) if "keys" in fields else (key,)
    for digit in keys:
        if not digit.isdigit():
            fields["keys"].fault(f"must be digits: {digit} has a meaning where digits are entered")
    heard = read_phrases(fields["words"], words) if "words" in fields else ()
    return Everywhere(goto, keys, heard)


def read_escalation(fields: Mapping[str, Node], words: Vocabulary, fallback: str) -> Escalation:
    """How a person takes over; `fallback` is where it goes on if nobody does."""
    target = fields["target"].text(MAX_LABEL) if "target" in fields else None
    if target is not None and not _PLAN.fullmatch(target):
        _check_address(fields["target"], target)
    patience = fields["timeout_seconds"].number(5, 120) if "timeout_seconds" in fields else None
    return Escalation(
        asked=read_asked(fields, words, "0", ESCALATE),
        line=TRANSFERRING,
        fallback=fallback,
        target=target,
        warm=fields["warm"].flag() if "warm" in fields else None,
        timeout_seconds=patience,
        summary=words.text(fields["summary"]) if "summary" in fields else None,
    )


def _check_address(node: Node, target: str) -> None:
    try:
        parse_target(target)
    except ValueError as error:
        node.fault(f"is neither a name of the settings' transfer targets nor an address: {error}")
