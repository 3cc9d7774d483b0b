"""A new webhook as the form gathers it, and as the API is asked for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ALL = "*"
GROUPS = {
    "Calls": {
        "call.completed": "is over, with all that came of it",
        "call.disposition_set": "has its outcome",
        "call.escalated": "was handed to a person",
        "call.recording_ready": "has its recording",
    },
    "Campaigns": {
        "campaign.started": "begins",
        "campaign.paused": "is paused",
        "campaign.resumed": "goes on",
        "campaign.stopped": "is stopped",
        "campaign.completed": "is done",
        "campaign.blocked": "cannot dial though its window is open",
    },
    "Trunks": {
        "trunk.down": "cannot be used",
        "trunk.up": "can be used again",
    },
    "Do not call": {"dnc.added": "somebody is put on the list"},
}
"""The API's events, by what they are about."""


def _none_chosen() -> dict[str, bool]:
    return {event: False for group in GROUPS.values() for event in group}


@dataclass
class WebhookDraft:
    """What has been typed and ticked so far."""

    url: str = ""
    description: str = ""
    everything: bool = True
    chosen: dict[str, bool] = field(default_factory=_none_chosen)
    """For each event, whether it is to be told of."""

    def fields(self) -> dict[str, Any]:
        """The body of the request. The API says what is wrong with it, and what is missing."""
        events = [ALL] if self.everything else [event for event, wanted in self.chosen.items() if wanted]
        given = {"url": self.url.strip(), "events": events, "description": self.description.strip()}
        return {name: value for name, value in given.items() if value}
