"""Times as people type them: `2026-01-15 09:00` means that hour in the campaign's time zone."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

_ZONES = "zoneinfo/"


def schedule(start: str | None, end: str | None, zone: str | None) -> dict[str, str] | None:
    """The window of a new campaign's request; None where nothing is given.

    What cannot be understood is passed on as it is: the daemon says what is wrong with it.
    """
    if start is None and end is None:
        return {"timezone": zone} if zone else None
    return {"start_time": datetime.now().astimezone().isoformat(timespec="seconds")} | changes(
        start, end, zone or local_zone()
    )


def changes(start: str | None, end: str | None, zone: str | None) -> dict[str, str]:
    """Those of a window's fields that are given; times without offset are those of `zone`."""
    times = {"start_time": start, "end_time": end}
    found = {key: moment(text, zone) for key, text in times.items() if text is not None}
    return found | ({"timezone": zone} if zone else {})


def moment(text: str, zone: str | None) -> str:
    """An instant of a request; without offset it is one of `zone`, or of this machine's zone."""
    return _with_offset(text, zone or local_zone())


def bound(text: str | None, zone: str | None = None) -> str | None:
    """One end of a span in a query; a date is the daemon's to read: as an end it includes its day."""
    return text if text is None or len(text) == len("2026-01-15") else moment(text, zone)


def _with_offset(text: str, zone: str | None) -> str:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None or zone is None:
            return text
        return moment.replace(tzinfo=ZoneInfo(zone)).isoformat()
    except (ValueError, KeyError, OSError):
        return text


def local_zone() -> str | None:
    """The IANA name of this machine's time zone."""
    candidates = [os.environ.get("TZ", "").removeprefix(":")]
    target = str(Path("/etc/localtime").resolve())
    if _ZONES in target:
        candidates.append(target.rpartition(_ZONES)[2])
    for name in candidates:
        try:
            if name:
                return ZoneInfo(name).key
        except (ValueError, KeyError, OSError):
            continue
    return None
