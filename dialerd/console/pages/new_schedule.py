"""The step of the calling window: start, end, time zone, and the hours of the week."""

from __future__ import annotations

from zoneinfo import available_timezones

from nicegui import ui

from dialerd.console.blocks import Words, box
from dialerd.console.draft import DAYS, Draft

_DAY_NAMES = dict(zip(DAYS, ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True))


class ScheduleStep:
    """When calls may be placed."""

    def __init__(self, draft: Draft) -> None:
        Words(
            "div",
            "Calls are placed inside this window only, and inside the hours that the law of the "
            "callee's country allows on the callee's own clock. At the end dialing stops by "
            "itself.",
        )
        with box("fields"):
            zones = sorted({*available_timezones(), draft.timezone or "UTC"})
            ui.select(zones, label="Time zone", with_input=True).props("outlined").bind_value(
                draft, "timezone"
            )
        with box("line"):
            ui.radio({True: "Start at the launch", False: "Start at a time"}).props(
                'inline aria-label="Start"'
            ).bind_value(draft, "at_launch")
            ui.checkbox("End at a time").bind_value(draft, "ends")
        with box("fields"):
            _time("Start", draft, "start").bind_visibility_from(draft, "at_launch", value=False)
            _time("End", draft, "end").bind_visibility_from(
                draft, "ends", backward=lambda ends: ends or not draft.at_launch
            )
        ui.checkbox("Only in certain hours of the week").bind_value(draft, "weekly")
        with box("fields").bind_visibility_from(draft, "weekly"):
            ui.select(_DAY_NAMES, label="Days", multiple=True).props("outlined use-chips").bind_value(
                draft, "days"
            )
            ui.input("From").props("outlined type=time").bind_value(draft, "day_from")
            ui.input("To").props("outlined type=time").bind_value(draft, "day_to")
        ui.input("Not on these days: dates (2027-01-26), or countries for their holidays (IN, GB-ENG)").props(
            "outlined"
        ).classes("w-full").bind_value(draft, "holidays")


def _time(label: str, draft: Draft, name: str) -> ui.input:
    made = ui.input(label).props("outlined type=datetime-local stack-label")
    made.bind_value(draft, name)
    return made
