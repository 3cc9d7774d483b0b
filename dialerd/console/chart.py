"""Charts of a campaign, as options of ECharts. Pure; a table beside each chart says the same in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dialerd.console import wording

GOOD, CALM, WARN, BAD, QUIET = "#2f9e6e", "#3d74c7", "#c58b1e", "#c4504a", "#8a94a3"
_COLOURS = {
    "interested": GOOD,
    "paid": GOOD,
    "connected": CALM,
    "escalated": CALM,
    "callback_requested": WARN,
    "not_interested": QUIET,
    "not_reachable": QUIET,
    "dnc": BAD,
}
_OTHERS = CALM
_FONT = {"fontFamily": "system-ui, sans-serif", "fontSize": 13}


def dispositions(breakdown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What came of the contacts called, the most frequent on top."""
    rows = sorted(breakdown, key=lambda row: row["count"])
    return {
        "aria": {"enabled": True},
        "animation": False,
        "textStyle": _FONT,
        "grid": {"left": 8, "right": 56, "top": 4, "bottom": 4, "containLabel": True},
        "xAxis": {"type": "value", "show": False},
        "yAxis": {
            "type": "category",
            "data": [wording.label(row["disposition"]) for row in rows],
            "axisLine": {"show": False},
            "axisTick": {"show": False},
        },
        "series": [
            {
                "type": "bar",
                "barMaxWidth": 20,
                "label": {"show": True, "position": "right"},
                "data": [
                    {
                        "value": row["count"],
                        "itemStyle": {
                            "color": _COLOURS.get(row["disposition"], _OTHERS),
                            "borderRadius": [0, 4, 4, 0],
                        },
                    }
                    for row in rows
                ],
            }
        ],
    }


def hours(by_hour: Mapping[str, Mapping[str, int]], zone: str | None) -> dict[str, Any]:
    """Calls an hour on the campaign's clock, answered ones at the bottom."""
    keys = sorted(by_hour)[-48:]
    answered = [by_hour[key]["answered"] for key in keys]
    others = [by_hour[key]["calls"] - by_hour[key]["answered"] for key in keys]
    return _stacked([hour_name(key, zone) for key in keys], answered, others)


def forecast(per_hour: Sequence[Mapping[str, Any]], zone: str | None) -> dict[str, Any]:
    """The calls of a forecast, by hour."""
    rows = per_hour[:72]
    names = [wording.clock(row["hour"], zone)[:-3] for row in rows]
    answered = [row["answered"] for row in rows]
    return _stacked(names, answered, [row["calls"] - row["answered"] for row in rows])


def hour_name(key: str, zone: str | None) -> str:
    """`2026-01-15T09Z` on the clock of `zone`."""
    at = datetime.strptime(key, "%Y-%m-%dT%HZ").replace(tzinfo=UTC)
    return f"{at.astimezone(ZoneInfo(zone) if zone else UTC):%d %b %H:%M}"


def _stacked(names: Sequence[str], answered: Sequence[int], others: Sequence[int]) -> dict[str, Any]:
    def series(name: str, data: Sequence[int], colour: str) -> dict[str, Any]:
        return {
            "name": name,
            "type": "bar",
            "stack": "calls",
            "barMaxWidth": 36,
            "data": list(data),
            "itemStyle": {"color": colour},
        }

    return {
        "aria": {"enabled": True},
        "animation": False,
        "textStyle": _FONT,
        "tooltip": {"trigger": "axis"},
        "legend": {"top": 0, "left": 0, "itemWidth": 12, "itemHeight": 12},
        "grid": {"left": 8, "right": 8, "top": 36, "bottom": 4, "containLabel": True},
        "xAxis": {"type": "category", "data": list(names)},
        "yAxis": {"type": "value", "minInterval": 1, "splitLine": {"lineStyle": {"opacity": 0.25}}},
        "series": [series("Answered", answered, GOOD), series("Not answered", others, QUIET)],
    }
