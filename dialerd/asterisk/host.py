"""The identity of an Asterisk: which boot it is, which version, and whether that version will do.

Pure: it reads what ARI said of itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dialerd.asterisk.events import ChannelNames
from dialerd.core.identity import ChannelId
from dialerd.core.messages import LiveChannel

_VERSION = re.compile(r"(\d+)\.(\d+)")
_LEAST = {22: 8, 23: 2}
"""The first minor release with chan_websocket fit for use and a cause on ring timeout; 22.8 and 23.2 are twins."""


@dataclass(frozen=True, slots=True)
class Host:
    """What Asterisk says of itself. `boot` is its start time: the same process, the same boot."""

    boot: str
    version: str

    @property
    def too_old(self) -> bool:
        """Whether it is older than what dialerd needs. A version that cannot be read (a build of one's own) will do."""
        found = _VERSION.search(self.version)
        if found is None:
            return False
        major, minor = int(found[1]), int(found[2])
        return major < min(_LEAST) or minor < _LEAST.get(major, 0)


def host_of(info: Any) -> Host | None:
    """The reply to `GET /asterisk/info?only=system,status`; None if it is no such thing."""
    try:
        return Host(boot=str(info["status"]["startup_time"]), version=str(info["system"]["version"]))
    except (KeyError, TypeError, IndexError):
        return None


def live_of(channels: Any, names: ChannelNames) -> tuple[LiveChannel, ...] | None:
    """The reply to `GET /channels`, our dialed channels of it; None if it is no such thing."""
    if not isinstance(channels, list):
        return None
    found = []
    for channel in channels:
        if isinstance(channel, dict):
            name = names.dialed(channel.get("id"))
            if name is not None:
                found.append(LiveChannel(name, answered=channel.get("state") == "Up"))
    return tuple(found)


def persons_of(channels: Any, names: ChannelNames) -> tuple[LiveChannel, ...]:
    """The reply to `GET /channels`, the persons' channels of it."""
    named = ((names.person(channel.get("id")), channel.get("state")) for channel in _dicts(channels))
    return tuple(LiveChannel(name, answered=state == "Up") for name, state in named if name is not None)


def media_of(channels: Any, bridges: Any, names: ChannelNames) -> frozenset[ChannelId]:
    """The tries that have a media leg or a bridge, from the replies to `GET /channels` and `GET /bridges`."""
    listed = [entry.get("id") for entry in (*_dicts(channels), *_dicts(bridges))]
    found = (names.media_leg(name) or names.bridge(name) for name in listed)
    return frozenset(channel for channel in found if channel is not None)


def _dicts(entries: Any) -> list[dict[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
