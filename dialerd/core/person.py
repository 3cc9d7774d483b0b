"""What becomes of a person's phone that is called for a callee: events, in the past tense.

They are kept apart from those of tries: a person is no contact. What they do to a call is in `dialerd.core.handover`.
"""

from __future__ import annotations

from dialerd.core.identity import ChannelId
from dialerd.core.record import record


@record
class PersonRefused:
    """Asterisk refused to call a person, or was not asked: no phone rings."""

    channel: ChannelId
    detail: str


@record
class PersonAnswered:
    """A person to whom a callee is to be connected has answered."""

    channel: ChannelId


@record
class PersonJoined:
    """Person and callee are in one bridge."""

    channel: ChannelId
    """The person's."""


@record
class PersonNotJoined:
    """Person and callee could not be brought together."""

    channel: ChannelId
    """The person's."""
    detail: str


@record
class PersonGone:
    """The channel of a person is destroyed. `cause` is Q.850; 0: Asterisk's own end."""

    channel: ChannelId
    cause: int
