"""The last step: everything that was chosen, what is wrong with it still, and how long it will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from nicegui import ui

from dialerd.console import blocks, chart, draft, phone, wording
from dialerd.console.blocks import Words, box
from dialerd.console.draft import Draft
from dialerd.console.frame import Frame
from dialerd.console.pages.new_retry import MACHINES
from dialerd.console.problem import Away, Fault, Refused
from dialerd.console.repertoire import Repertoire

WARNED = 20
"""Warnings that are shown."""


class Review:
    """What is launched."""

    def __init__(self, chosen: Draft, known: Repertoire, frame: Frame) -> None:
        self._draft = chosen
        self._known = known
        self._frame = frame
        self._place = box("").style("display: flex; flex-direction: column; gap: 12px")

    async def check(self, now: datetime) -> bool:
        """Have the API check everything; whether it can be launched."""
        fields = self._draft.fields(now)
        self._place.clear()
        with self._place:
            agent = self._known.agent_names().get(self._draft.agent_id or "")
            blocks.facts(chosen_facts(self._draft, fields, agent))
            rows = box("")
            with box("line") as waiting:
                ui.spinner()
                Words("span", "Working out how long it will take …")
            result = box("").props("aria-live=polite")
        try:
            report = await self._frame.api.post_list("/v1/campaigns/validate", fields, self._draft.csv)
        except (Refused, Away) as problem:
            waiting.delete()
            with result:
                blocks.faults(problem, left=[_with_step(one) for one in getattr(problem, "faults", ())])
            return False
        with rows:
            self._list = Words("div", counted(report, None), "note").props("role=status data-counts")
            if report["warnings"]:
                self._warnings(report["warnings"])
        await self._foretell(fields, report, waiting, result)
        return True

    def _warnings(self, rows: Sequence[Mapping[str, Any]]) -> None:
        with box("note warn"):
            Words("div", f"{wording.count(len(rows), 'row')} taken, but look at them:", "strong")
            with ui.element("ul"):
                for row in rows[:WARNED]:
                    said = phone.blurred(row["reason"], whole=self._frame.whole_numbers)
                    Words("li", f"line {self._draft.line(row['line'])}: {said}")

    async def _foretell(
        self, fields: Mapping[str, Any], report: Mapping[str, Any], waiting: ui.element, result: ui.element
    ) -> None:
        """A forecast that cannot be had keeps nobody from launching."""
        try:
            forecast = await self._frame.api.post_list("/v1/simulate", fields, self._draft.csv)
        except (Refused, Away) as problem:
            waiting.delete()
            with result:
                blocks.faults(problem, heading=f"There is no forecast: {blocks.told(problem)}")
            return
        waiting.delete()
        self._list.set_text(counted(report, forecast["contacts"]))
        with result:
            show_forecast(forecast, self._draft.timezone)


def counted(report: Mapping[str, Any], contacts: Mapping[str, int] | None) -> str:
    """What becomes of the rows of the list."""
    said = [
        f"{report['accepted'] - report['suppressed_dnc']:,} to be called",
        f"{len(report['invalid']):,} left out as invalid",
        f"{report['duplicates']:,} repeated",
    ]
    said.append(f"{report['suppressed_dnc']:,} on the do-not-call list")
    if contacts is not None:
        for key, about in (
            ("zone_unknown", "in an unknown time zone"),
            ("no_common_hours", "with no common hours"),
        ):
            if contacts[key]:
                said.append(f"{contacts[key]:,} {about}")
    return f"{wording.count(report['received'], 'row')} in the list: {', '.join(said)}."


def chosen_facts(chosen: Draft, fields: Mapping[str, Any], agent: str | None) -> list[tuple[str, str]]:
    """What was chosen, in words; `agent`: as it is called."""
    start = "at the launch" if chosen.at_launch else chosen.start.replace("T", " ")
    end = chosen.end.replace("T", " ") if "end_time" in fields["schedule"] else "when every contact is done"
    hours = (
        f"{', '.join(day.capitalize() for day in chosen.days)}, {chosen.day_from} to {chosen.day_to}"
        if chosen.weekly
        else "every hour of the window"
    )
    return [
        ("Name", chosen.name),
        ("Voice agent", agent or "the script alone"),
        (
            "Script",
            chosen.script_id or wording.NOTHING if chosen.speaks_script else "none: the agent needs none",
        ),
        ("Language", chosen.language or wording.NOTHING),
        ("Starts", start),
        ("Ends", end),
        ("Time zone", chosen.timezone or wording.NOTHING),
        ("Hours", hours),
        ("Not on", chosen.holidays or wording.NOTHING),
        ("Attempts", f"{fields.get('max_attempts')}, {fields.get('retry_interval_minutes')} min apart"),
        ("Answering machines", MACHINES.get(chosen.machine, chosen.machine)),
        ("Recorded", "yes" if chosen.recording else "no"),
    ]


def show_forecast(forecast: Mapping[str, Any], zone: str | None) -> None:
    """What the simulator expects."""
    calls = forecast["calls"]
    Words("h2", "Forecast")
    Words("div", ending(forecast, zone), "strong").props("data-forecast")
    Words(
        "div",
        f"{wording.count(calls['total'], 'call')}, {wording.percent(calls['answer_rate'])} of them answered; "
        f"{wording.count(forecast['contacts']['never_called'], 'contact')} never called.",
    )
    if forecast["calls_per_hour"]:
        ui.echart(chart.forecast(forecast["calls_per_hour"], zone), renderer="svg").classes("chart")
    sooner = [one for one in forecast["changes"] if one["sooner_seconds"]]
    if sooner:
        Words("div", "What would make it quicker", "strong")
        with ui.element("ul").style("margin: 0"):
            for one in sooner[:3]:
                Words("li", f"{one['change']}: {wording.seconds(one['sooner_seconds'])} sooner")
    for note in forecast["notes"]:
        Words("div", note, "soft small")
    taken = [
        f"{wording.plain(name).lower()} {value_of(about['value'])} ({about['source']})"
        for name, about in forecast["assumptions"].items()
        if about["value"] not in (None, {}, [])
    ]
    Words("div", "Taken for granted: " + "; ".join(taken), "soft small")


def value_of(value: object) -> str:
    """An assumption: parts of a whole are percentages."""
    if isinstance(value, Mapping):
        return ", ".join(f"{wording.reason(str(key))} {value_of(inner)}" for key, inner in value.items())
    if isinstance(value, float) and 0 <= value <= 1:
        return f"{value * 100:.0f}%"
    return str(value)


def ending(forecast: Mapping[str, Any], zone: str | None) -> str:
    """How it ends, in a sentence."""
    if forecast["ends_by"] == "never" or forecast["finishes_at"] is None:
        return "It would never be done: see what holds it up."
    at = wording.moment(forecast["finishes_at"], zone)
    if forecast["ends_by"] == "end_time":
        return f"It is not done when its window ends, {at}."
    return f"Done in {wording.seconds(forecast['seconds'])}, {at}."


def _with_step(fault: Fault) -> Fault:
    """A fault with the step that mends it."""
    if fault.line is not None:
        return fault
    step = draft.step_of(fault)
    number = list(draft.STEPS).index(step) + 1
    return Fault(f"step {number}, {draft.STEPS[step]}, {fault.loc}", fault.msg)
