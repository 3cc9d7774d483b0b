"""Nothing that can be asked of the dialer escapes the audit trail."""

from __future__ import annotations

from typing import get_args

from dialerd.core.commands import Command, Done, Panic, PauseDaemon, Refused
from dialerd.core.journal import Author
from dialerd.engine.deeds import ACTIONS, of_command
from tests.core.world_builder import START

BY = Author("uid:0", "root", "unix")


def test_every_command_has_its_line_in_the_audit_trail() -> None:
    assert set(ACTIONS) == set(get_args(Command))


def test_what_was_refused_or_changed_nothing_is_not_told_of_but_a_panic_always_is() -> None:
    assert of_command(PauseDaemon(), Refused("no"), BY, START) == []
    assert of_command(PauseDaemon(), Done(changed=False), BY, START) == []
    (told,) = of_command(PauseDaemon(cancel_ringing=True), Done(changed=True), BY, START)
    assert (told.action, told.details) == ("daemon.paused", {"ringing_cancelled": True})
    (told,) = of_command(Panic(), Done(changed=False), BY, START)
    assert (told.action, told.by, told.at) == ("daemon.panicked", BY, START)
