"""A campaign as the seven steps gather it, and as the API is asked for it. Pure.

What was typed is sent as it was typed: the API says what is wrong with it, and the step that holds the field shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dialerd.console import once
from dialerd.console.contact_text import ContactText
from dialerd.console.problem import Fault

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

OPEN, NAME, VOICE, SCHEDULE, CONTACTS, RETRY, LAUNCH = (
    "open", "name", "voice", "schedule", "contacts", "retry", "launch",
)  # fmt: skip
STEPS = {
    OPEN: "Open",
    NAME: "Name",
    VOICE: "Voice agent and language",
    SCHEDULE: "Schedule",
    CONTACTS: "Contacts",
    RETRY: "Retries",
    LAUNCH: "Review and launch",
}
_FIELDS = {
    "name": NAME,
    "script_id": VOICE,
    "language": VOICE,
    "agent_id": VOICE,
    "voice": VOICE,
    "schedule": SCHEDULE,
    "contacts": CONTACTS,
    "default_region": CONTACTS,
    "on_invalid": CONTACTS,
    "max_attempts": RETRY,
    "retry_interval_minutes": RETRY,
    "retry_rules": RETRY,
    "max_callbacks": RETRY,
    "ring_timeout_seconds": RETRY,
    "answering_machine": RETRY,
    "recording": RETRY,
    "max_concurrent_calls": RETRY,
    "calls_per_second": RETRY,
}


@dataclass
class Draft:
    """What has been chosen so far; times are as the inputs give them, on the clock of `timezone`."""

    name: str = ""
    agent_id: str | None = None
    """None: the script alone, spoken by dialerd itself."""
    script_id: str | None = None
    speaks_script: bool = True
    """False: the agent's engine needs none."""
    language: str | None = None
    at_launch: bool = True
    start: str = ""
    ends: bool = True
    end: str = ""
    timezone: str | None = None
    weekly: bool = False
    days: list[str] = field(default_factory=lambda: list(DAYS[:5]))
    day_from: str = "09:00"
    day_to: str = "18:00"
    holidays: str = ""
    contacts: ContactText | None = None
    region: str = ""
    leave_out_invalid: bool = False
    max_attempts: float | None = 3
    retry_minutes: float | None = 60
    max_callbacks: float | None = 1
    ring_seconds: float | None = 30
    concurrent: float | None = None
    machine: str = "continue"
    recording: bool = False

    @property
    def csv(self) -> bytes:
        """The list; one without contacts before there is any."""
        return b"phone\n" if self.contacts is None else self.contacts.csv

    def line(self, told: int) -> int:
        """The line of the user's own list that the API calls by this number."""
        return told if self.contacts is None else self.contacts.line(told)

    @property
    def started_by_hand(self) -> bool:
        """Whether a created campaign still has to be told to start: only one with a start time starts by itself."""
        return self.at_launch and not self.ends

    def fields(self, now: datetime, *, skip: bool | None = None) -> dict[str, Any]:
        """The body of the request. `now`: when a campaign that starts at its launch is launched."""
        given: dict[str, Any] = {
            "name": self.name.strip(),
            "agent_id": self.agent_id,
            "script_id": self.script_id if self.speaks_script else None,
            "language": self.language,
            "schedule": self.schedule(now),
            "default_region": self.region.strip().upper() or None,
            "on_invalid": "skip" if (self.leave_out_invalid if skip is None else skip) else "reject",
            "max_attempts": _whole(self.max_attempts),
            "retry_interval_minutes": self.retry_minutes,
            "max_callbacks": _whole(self.max_callbacks),
            "ring_timeout_seconds": self.ring_seconds,
            "max_concurrent_calls": _whole(self.concurrent),
            "answering_machine": self.machine,
        }
        # An agent may say that its calls are recorded: what is not ticked is not to be.
        if self.recording or self.agent_id is not None:
            given["recording"] = self.recording
        return {key: value for key, value in given.items() if value is not None}

    def schedule(self, now: datetime) -> dict[str, Any]:
        """When to dial."""
        given: dict[str, Any] = {"timezone": self.timezone}
        if self.ends or not self.at_launch:
            start = (
                now.astimezone(UTC).isoformat(timespec="seconds")
                if self.at_launch
                else self._local(self.start)
            )
            given |= {"start_time": start, "end_time": self._local(self.end)}
        if self.weekly:
            given["hours"] = [{"days": list(self.days), "from": self.day_from, "to": self.day_to}]
        if self.holidays.strip():
            given["holidays"] = [one.strip() for one in self.holidays.split(",") if one.strip()]
        return {key: value for key, value in given.items() if value not in (None, "")}

    def _local(self, typed: str) -> str:
        """What an input gives, with the zone's offset then; as it is, if it is no time or the zone is none."""
        with suppress(ValueError, ZoneInfoNotFoundError, OSError):
            if self.timezone and typed:
                return datetime.fromisoformat(typed).replace(tzinfo=ZoneInfo(self.timezone)).isoformat()
        return typed

    def once(self, wizard: str, now: datetime) -> str:
        """The name of the request that creates exactly this campaign: clicked twice, it is created once."""
        return once.name(wizard, self.fields(now), self.csv)


def of_campaign(shown: Mapping[str, Any]) -> Draft:
    """A draft with the settings of a campaign that exists; its times and contacts are not taken over."""
    schedule = shown["schedule"]
    hours = schedule["hours"]
    draft = Draft(
        name=f"{shown['name']} (copy)"[:255],
        agent_id=shown["agent_id"],
        script_id=shown["script_id"],
        language=shown["language"],
        timezone=schedule["timezone"],
        holidays=", ".join(schedule["holidays"]),
        max_attempts=shown["max_attempts"],
        retry_minutes=shown["retry_interval_minutes"],
        max_callbacks=shown["max_callbacks"],
        ring_seconds=shown["ring_timeout_seconds"],
        concurrent=shown["max_concurrent_calls"],
        machine=shown["answering_machine"],
        recording=shown["recording"],
    )
    if hours:
        draft.weekly = True
        draft.days, draft.day_from, draft.day_to = list(hours[0]["days"]), hours[0]["from"], hours[0]["to"]
    return draft


_NAMES = {
    "name": "Campaign name",
    "agent_id": "Voice agent",
    "script_id": "Script",
    "language": "Language",
    "schedule.start_time": "Start",
    "schedule.end_time": "End",
    "schedule.timezone": "Time zone",
    "max_attempts": "Attempts",
    "retry_interval_minutes": "Minutes between attempts",
    "max_callbacks": "Callbacks",
    "ring_timeout_seconds": "Seconds a phone rings",
    "max_concurrent_calls": "Calls at a time",
    "default_region": "Country of numbers without a country code",
}


def near(fault: Fault) -> Fault:
    """A fault under the name that its input has on the page."""
    return Fault(_NAMES.get(fault.loc, fault.loc), fault.msg)


def step_of(fault: Fault) -> str:
    """The step whose fields a fault is about; what belongs to none is shown in the review."""
    return _FIELDS.get(fault.field, LAUNCH)


def faults_of(step: str, faults: Sequence[Fault]) -> list[Fault]:
    """The faults that a step can mend."""
    return [fault for fault in faults if step_of(fault) == step]


def _whole(number: float | None) -> float | int | None:
    """A number as the API takes whole ones."""
    return int(number) if number is not None and float(number).is_integer() else number
