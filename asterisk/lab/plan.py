"""The number plan of the simulated network: the last two digits of a number decide how its callee behaves.

This table is the one source: the carrier's dialplan, `lab plan` and the README's table are made from it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Behaviour:
    """One way to be called. `name` is its label in the carrier's dialplan and in its call records."""

    name: str
    endings: range
    sip: int | None  # the final answer; None: there is none, the caller has to give up
    digits: str
    does: str

    @property
    def span(self) -> str:
        """Its endings as people write them: `20-29`."""
        return f"{self.endings[0]:02d}-{self.endings[-1]:02d}"


PLAN: tuple[Behaviour, ...] = (
    Behaviour("press-1", range(20), 200, "1", "answers, says hello, hears the agent out, presses 1"),
    Behaviour("press-2", range(20, 30), 200, "2", "the same, presses 2"),
    Behaviour("silent", range(30, 40), 200, "", "answers and says nothing"),
    Behaviour("hang-up", range(40, 50), 200, "", "answers, says hello, hangs up while the agent speaks"),
    Behaviour("busy", range(50, 55), 486, "", "busy"),
    Behaviour("no-answer", range(55, 60), None, "", "rings and never answers (480 after 90 s)"),
    Behaviour("reject", range(60, 65), 603, "", "rings, then declines"),
    Behaviour("unknown", range(65, 70), 404, "", "the number does not exist"),
    Behaviour("congested", range(70, 75), 503, "", "the network is congested"),
    Behaviour(
        "voicemail", range(75, 80), 200, "", "a recorded greeting of 10 s, a beep, and then it records"
    ),
    Behaviour(
        "early", range(80, 85), 200, "1", "183 and an in-band ringing tone, answers after 3 s, presses 1"
    ),
    Behaviour("late", range(85, 90), 200, "2", "rings for 5 s, answers, presses 2"),
    Behaviour("press-9", range(90, 100), 200, "9", "answers, says hello, hears the agent out, presses 9"),
)

DEFAULT = PLAN[0]
"""What a number does that does not end in two digits."""


def of(number: str) -> Behaviour:
    """The behaviour of a number, with or without a leading plus."""
    ending = number[-2:]
    if len(ending) == 2 and ending.isascii() and ending.isdigit():
        return next(behaviour for behaviour in PLAN if int(ending) in behaviour.endings)
    return DEFAULT


def dialplan_globals() -> str:
    """The table as the variables that the carrier's dialplan looks up, one for each ending."""
    return "\n".join(f"BEHAVIOUR_{n:02d} = {b.name}" for b in PLAN for n in b.endings)


def as_markdown() -> str:
    """The table as it stands in the README."""
    rows = ["| ends in | behaviour | SIP | digits | what the callee does |", "|---|---|---|---|---|"]
    for b in PLAN:
        sip = "" if b.sip is None else b.sip
        rows.append(f"| {b.span} | `{b.name}` | {sip} | {b.digits} | {b.does} |")
    return "\n".join(rows)


def as_json() -> list[dict[str, str | int | None]]:
    """The table for programs."""
    return [
        {
            "first": b.endings[0],
            "last": b.endings[-1],
            "behaviour": b.name,
            "sip": b.sip,
            "digits": b.digits,
            "does": b.does,
            "default": b is DEFAULT,
        }
        for b in PLAN
    ]
