"""ARI's events as ours: one pure function from parsed JSON to a message, or to nothing.

Only channels that this instance dialed count, and strangers in its application; whatever else Asterisk does is none of
our business. It keeps no state and never raises, whatever it is given: what it does not understand is nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dialerd.core.identity import ChannelId, InstanceId
from dialerd.core.messages import (
    Event,
    TryAnswered,
    TryEnded,
    TryRinging,
    TryShown,
)
from dialerd.core.person import (
    PersonAnswered,
    PersonGone,
)

EVENT_TYPES = (
    "Dial",
    "StasisStart",
    "ChannelDestroyed",
    "PlaybackFinished",
    "RESTResponse",
    "ApplicationReplaced",
)
"""What the events socket must carry; all else is filtered out in Asterisk.

The replies to requests on that socket and the notice of a takeover pass the same filter. ChannelStateChange is
not asked for: each 18x also makes a Dial event.
"""

DIALED = "dialed"
"""The application argument by which a channel says that it comes from our originate."""

PERSON = "person"
"""The same of the channel of a person, called for a callee."""

MEDIA_SUFFIX = "-m"
BRIDGE_SUFFIX = "-b"
TRANSFER_SUFFIX = "-t"
"""Of the bridge of callee and person."""


@dataclass(frozen=True, slots=True)
class ApplicationTaken:
    """Another client has connected under our application's name: no more events come to us."""


@dataclass(frozen=True, slots=True)
class SoundEnded:
    """A sound that was played to somebody is over."""

    playback: str


@dataclass(frozen=True, slots=True)
class Stranger:
    """A channel that a dialplan has sent into our application, from this context."""

    channel: str
    context: str


Parsed = Event | ApplicationTaken | SoundEnded | Stranger


class ChannelNames:
    """How the channels that one instance dialed are called: `<instance>-cal_<12 hex>-<n>`."""

    def __init__(self, instance: InstanceId) -> None:
        self.instance = instance
        dialed = rf"{re.escape(instance)}-cal_[0-9a-f]{{12}}-[1-9][0-9]{{0,3}}"
        self._try = re.compile(dialed)
        self._person = re.compile(rf"{dialed}-h[1-9][0-9]{{0,5}}")

    def is_ours(self, name: str) -> bool:
        """Whether `name` is of this instance, whatever it is."""
        return name.startswith(f"{self.instance}-")

    def dialed(self, name: object) -> ChannelId | None:
        """`name` as the id of a try of ours."""
        return ChannelId(name) if isinstance(name, str) and self._try.fullmatch(name) else None

    def person(self, name: object) -> ChannelId | None:
        """`name` as the channel of a person, called for a callee of ours."""
        return ChannelId(name) if isinstance(name, str) and self._person.fullmatch(name) else None

    def media_leg(self, name: object) -> ChannelId | None:
        """The id of the try whose media leg is called `name`."""
        if isinstance(name, str) and name.endswith(MEDIA_SUFFIX):
            return self.dialed(name.removesuffix(MEDIA_SUFFIX))
        return None

    def bridge(self, name: object) -> ChannelId | None:
        """The id of the try whose bridge, with its media leg or with a person, is called `name`."""
        if isinstance(name, str) and name.endswith((BRIDGE_SUFFIX, TRANSFER_SUFFIX)):
            return self.dialed(name[: -len(BRIDGE_SUFFIX)])
        return None


def parse(event: Mapping[str, Any], names: ChannelNames) -> Parsed | None:
    """What an ARI event means to the dialer; None: nothing."""
    kind = event.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    return reader(event, names) if reader is not None else None


def _dial(event: Mapping[str, Any], names: ChannelNames) -> Parsed | None:
    channel = names.dialed(_id(event.get("peer")))
    if channel is None:
        return None
    match event.get("dialstatus"):
        case "":
            return TryShown(channel)
        case "RINGING" | "PROGRESS":
            return TryRinging(channel)
    return None


def _state_change(event: Mapping[str, Any], names: ChannelNames) -> Parsed | None:
    carried = event.get("channel")
    channel = names.dialed(_id(carried))
    if channel is None or not isinstance(carried, dict) or carried.get("state") != "Ringing":
        return None
    return TryRinging(channel)


def _stasis_start(event: Mapping[str, Any], names: ChannelNames) -> Parsed | None:
    name = _id(event.get("channel"))
    # A channel that comes back from the dialplan has other arguments: it was answered before.
    match event.get("args"):
        case [str(said)] if said == DIALED and (channel := names.dialed(name)) is not None:
            return TryAnswered(channel)
        case [str(said)] if said == PERSON and (channel := names.person(name)) is not None:
            return PersonAnswered(channel)
    # One that replaces a channel, after a transfer by a phone, goes on with its call.
    if event.get("application") != names.instance or "replace_channel" in event:
        return None
    return stranger(event.get("channel"), names)


def stranger(channel: object, names: ChannelNames) -> Stranger | None:
    """A channel in our application as a stranger; None: it is ours, or some ARI client has put it there on purpose."""
    if not isinstance(channel, dict) or not isinstance(channel.get("dialplan"), dict):
        return None
    name, place = channel.get("id"), channel["dialplan"]
    if not isinstance(name, str) or names.is_ours(name) or place.get("app_name") != "Stasis":
        return None
    # It says of itself that it is in Stasis() too, and nobody is behind it.
    if str(channel.get("name")).startswith("Snoop/"):
        return None
    return Stranger(name, str(place.get("context")))


def _destroyed(event: Mapping[str, Any], names: ChannelNames) -> Parsed | None:
    name = _id(event.get("channel"))
    channel, person = names.dialed(name), names.person(name)
    if person is not None:
        return PersonGone(person, _code(event.get("cause")) or 0)
    if channel is None:
        return None
    return TryEnded(channel, _code(event.get("cause")) or 0, _code(event.get("tech_cause")))


def _sound_ended(event: Mapping[str, Any], names: ChannelNames) -> Parsed | None:
    playback = _id(event.get("playback"))
    return SoundEnded(playback) if isinstance(playback, str) else None


def _replaced(event: Mapping[str, Any], names: ChannelNames) -> Parsed | None:
    return ApplicationTaken() if event.get("application") == names.instance else None


def _id(channel: object) -> object:
    return channel.get("id") if isinstance(channel, dict) else None


def _code(value: object) -> int | None:
    """A cause as Asterisk writes it; 0 is as good as none."""
    return value if isinstance(value, int) and value > 0 else None


_READERS: dict[str, Callable[[Mapping[str, Any], ChannelNames], Parsed | None]] = {
    "Dial": _dial,
    "ChannelStateChange": _state_change,
    "StasisStart": _stasis_start,
    "ChannelDestroyed": _destroyed,
    "PlaybackFinished": _sound_ended,
    "ApplicationReplaced": _replaced,
}
