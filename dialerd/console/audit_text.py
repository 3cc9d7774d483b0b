"""The audit trail: what it is asked for, and its entries in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dialerd.console import phone, wording

ACTIONS = {
    "campaign.created": "Campaign created",
    "campaign.cloned": "Campaign cloned",
    "campaign.edited": "Campaign edited",
    "campaign.contacts_added": "Contacts added",
    "campaign.started": "Campaign started",
    "campaign.paused": "Campaign paused",
    "campaign.resumed": "Campaign resumed",
    "campaign.stopped": "Campaign stopped",
    "campaign.deleted": "Campaign deleted",
    "call.placed": "Single call placed",
    "call.hung_up": "Call hung up",
    "call.disposition_set": "Outcome of a call set",
    "call.transferred": "Call transferred",
    "call.recording_deleted": "Recording deleted",
    "contact.erased": "Person erased",
    "dnc.added": "Put on the do-not-call list",
    "dnc.imported": "Do-not-call list imported",
    "dnc.removed": "Taken off the do-not-call list",
    "script.created": "Script created",
    "script.replaced": "Script replaced",
    "script.deleted": "Script deleted",
    "agent.created": "Agent created",
    "agent.edited": "Agent edited",
    "agent.deleted": "Agent deleted",
    "trunk.changed": "Trunk changed",
    "trunk.paused": "Trunk paused",
    "trunk.resumed": "Trunk used again",
    "daemon.paused": "All dialing paused",
    "daemon.resumed": "Dialing resumed",
    "daemon.panicked": "Panic",
    "webhook.created": "Webhook created",
    "webhook.edited": "Webhook edited",
    "webhook.deleted": "Webhook deleted",
    "key.created": "API key created",
    "key.revoked": "API key revoked",
}
_PAGES = {"campaign": "/campaigns/", "call": "/calls/", "script": "/scripts/", "webhook": "/webhooks/"}
_LISTS = {"trunk": "/trunks", "dnc": "/dnc", "key": "/keys"}


@dataclass
class Question:
    """Which entries are shown."""

    actor: str | None = ""
    action: str | None = None
    about: str | None = ""
    start: str | None = ""
    end: str | None = ""

    def params(self) -> dict[str, str]:
        """The query of the request."""
        asked = {
            "actor": self.actor,
            "action": self.action,
            "object": self.about,
            "from": self.start,
            "to": self.end,
        }
        return {name: value.strip() for name, value in asked.items() if value and value.strip()}


def row(deed: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """An entry's line; it leads to what was changed."""
    return {
        "at": wording.clock(deed["at"]),
        "who": who(deed),
        "origin": origin(deed["origin"]),
        "action": ACTIONS.get(deed["action"], wording.plain(deed["action"].replace(".", " "))),
        "about": phone.blurred(deed["object"] or "", whole=whole),
        "href": target(deed["action"], deed["object"]),
        "details": phone.blurred(told(deed["details"]), whole=whole),
    }


def who(deed: Mapping[str, Any]) -> str:
    """Who did it."""
    if deed["actor"] == "daemon":
        return "dialerd itself"
    return f"{deed['actor_name']} ({deed['actor']})" if deed["actor_name"] else str(deed["actor"])


def origin(word: str | None) -> str:
    """From where it was asked for."""
    if word is None:
        return wording.NOTHING
    return "Unix socket" if word == "unix" else word


def target(action: str, about: str | None) -> str:
    """The page of what was changed; none of what is there no more, or has none."""
    kind, _, done = action.partition(".")
    if not about or done == "deleted":
        return ""
    return f"{_PAGES[kind]}{quote(about, safe='')}" if kind in _PAGES else _LISTS.get(kind, "")


def told(details: object) -> str:
    """The details of a change, by their names."""
    if isinstance(details, Mapping):
        return ", ".join(
            f"{wording.plain(str(name)).lower()}{'' if isinstance(value, Mapping) else ':'} {told(value)}"
            for name, value in details.items()
            if value != ""
        )
    if isinstance(details, list):
        return " ".join(told(value) for value in details)
    if details is None:
        return "none"
    if isinstance(details, bool):
        return "yes" if details else "no"
    return str(details)
