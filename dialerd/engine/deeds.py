"""What the audit trail says of every command, and the trail, read.

There is one line here for each kind of command: one that nobody could account for must not be added. What is changed
beside the engine (scripts, agents, keys) is told of where it is written. No secret and no person's data goes into it,
but for what stands on the do-not-call list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from dialerd.core import commands
from dialerd.core.clock import Instant, to_iso
from dialerd.core.commands import Answer, Command, Done, Panic
from dialerd.core.journal import Author, Deed
from dialerd.engine.author import author
from dialerd.engine.views import deed_view, page_view
from dialerd.ports import Clock, DeedFilter, Page, Store


@dataclass(frozen=True, slots=True)
class Action:
    """What was done, to what."""

    name: str
    object: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def of_command(command: Command, answer: Answer, by: Author, at: Instant) -> list[Deed]:
    """What a command has changed; nothing if it was refused or changed nothing. A panic is always told of."""
    if not isinstance(answer, Done) or not (answer.changed or isinstance(command, Panic)):
        return []
    found = ACTIONS[type(command)](command, answer)
    return [Deed(at, by, one.name, one.object, one.details) for one in found]


def deed(clock: Clock, action: str, about: str, **details: Any) -> Deed:
    """What whoever is asking changes beside the engine, for the transaction that changes it."""
    return Deed(clock.now().wall, author(), action, about, details)


class AuditTrail:
    """Who has changed what, and from where."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, where: DeedFilter, page: Page) -> dict[str, Any]:
        """A page of entries, newest first."""
        found, total = await self._store.deeds(where, page)
        return page_view([deed_view(one) for one in found], total, page)


# --- campaigns -----------------------------------------------------------------------------------


def _admitted(command: commands.AdmitCampaign, answer: Done) -> Iterable[Action]:
    campaign = command.campaign
    details: dict[str, Any] = {"name": campaign.name, "contacts": command.contacts}
    if command.cloned_from is None:
        return [Action("campaign.created", campaign.id, details)]
    return [Action("campaign.cloned", campaign.id, {**details, "from": command.cloned_from})]


def _fed(command: commands.AddContacts, answer: Done) -> Iterable[Action]:
    return [Action("campaign.contacts_added", command.campaign, {"contacts": command.contacts})]


def _edited(command: commands.EditCampaign, answer: Done) -> Iterable[Action]:
    changed = dict(command.asked) or sorted(command.changes)
    return [Action("campaign.edited", command.campaign, {"changed": changed})]


def _started(command: commands.StartCampaign, answer: Done) -> Iterable[Action]:
    return [Action("campaign.started", command.campaign, _set(now=command.at_once))]


def _paused(command: commands.PauseCampaign, answer: Done) -> Iterable[Action]:
    return [Action("campaign.paused", command.campaign, _set(ringing_cancelled=command.cancel_ringing))]


def _resumed(command: commands.ResumeCampaign, answer: Done) -> Iterable[Action]:
    return [Action("campaign.resumed", command.campaign)]


def _stopped(command: commands.StopCampaign, answer: Done) -> Iterable[Action]:
    details = _set(hung_up=command.hang_up, ringing_cancelled=command.cancel_ringing)
    return [Action("campaign.stopped", command.campaign, details)]


def _deleted(command: commands.DeleteCampaign, answer: Done) -> Iterable[Action]:
    return [Action("campaign.deleted", command.campaign)]


# --- calls ---------------------------------------------------------------------------------------


def _placed(command: commands.PlaceCall, answer: Done) -> Iterable[Action]:
    said = {"script_id": command.script_id} if command.script_id else {"engine": command.engine}
    return [Action("call.placed", answer.call, said)]


def _hung_up(command: commands.HangUpCall, answer: Done) -> Iterable[Action]:
    return [Action("call.hung_up", command.call)]


def _labelled(command: commands.LabelCall, answer: Done) -> Iterable[Action]:
    return [Action("call.disposition_set", command.call, {"disposition": command.label.disposition})]


def _transferred(command: commands.TransferCall, answer: Done) -> Iterable[Action]:
    return [Action("call.transferred", command.call, _set(target=command.wish.target))]


def _unrecorded(command: commands.DropRecording, answer: Done) -> Iterable[Action]:
    return [Action("call.recording_deleted", command.call)]


# --- the do-not-call list ------------------------------------------------------------------------


def _listed(command: commands.ListNumbers, answer: Done) -> Iterable[Action]:
    if command.listed is None:
        return [
            Action(
                "dnc.added",
                entry.pattern,
                _set(reason=entry.reason, source=entry.source, expires_at=to_iso(entry.expires_at)),
            )
            for entry in command.entries
        ]
    # A list of a million numbers is one thing that was done; its entries say where they come from.
    return [Action("dnc.imported", None, {"entries": command.listed})] if command.listed else []


def _unlisted(command: commands.UnlistNumbers, answer: Done) -> Iterable[Action]:
    return [Action("dnc.removed", pattern) for pattern in command.patterns]


def _erased(command: commands.EraseNumber, answer: Done) -> Iterable[Action]:
    # The number itself would be what is left of the person.
    return [Action("contact.erased", command.phone.masked)]


# --- the daemon and its trunks -------------------------------------------------------------------


def _halted(command: commands.PauseDaemon, answer: Done) -> Iterable[Action]:
    return [Action("daemon.paused", None, _set(ringing_cancelled=command.cancel_ringing))]


def _lifted(command: commands.ResumeDaemon, answer: Done) -> Iterable[Action]:
    return [Action("daemon.resumed")]


def _panicked(command: Panic, answer: Done) -> Iterable[Action]:
    return [Action("daemon.panicked")]


def _trunk_changed(command: commands.ChangeTrunk, answer: Done) -> Iterable[Action]:
    details = _set(max_channels=command.max_channels, calls_per_second=command.calls_per_second)
    name = (
        "trunk.paused"
        if command.paused is not None
        else "trunk.resumed"
        if command.mended
        else "trunk.changed"
    )
    return [Action(name, command.trunk, details)]


# --- webhooks ------------------------------------------------------------------------------------


def _hooked(command: commands.AddWebhook, answer: Done) -> Iterable[Action]:
    hook = command.webhook
    return [Action("webhook.created", hook.id, {"host": _host(hook.url), "events": list(hook.events)})]


def _rehooked(command: commands.ChangeWebhook, answer: Done) -> Iterable[Action]:
    # Addresses carry keys of their receivers, and the secret is one.
    said = dict.fromkeys(command.changes, "changed") | {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in command.changes.items()
        if name not in ("secret", "url")
    }
    if "url" in command.changes:
        said["url"] = _host(command.changes["url"])
    return [Action("webhook.edited", command.webhook, {"changed": said})]


def _unhooked(command: commands.RemoveWebhook, answer: Done) -> Iterable[Action]:
    return [Action("webhook.deleted", command.webhook)]


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _set(**details: Any) -> dict[str, Any]:
    """Those that say something."""
    return {name: value for name, value in details.items() if value}


ACTIONS: Mapping[type[Command], Callable[[Any, Done], Iterable[Action]]] = {
    commands.AdmitCampaign: _admitted,
    commands.AddContacts: _fed,
    commands.EditCampaign: _edited,
    commands.StartCampaign: _started,
    commands.PauseCampaign: _paused,
    commands.ResumeCampaign: _resumed,
    commands.StopCampaign: _stopped,
    commands.DeleteCampaign: _deleted,
    commands.PlaceCall: _placed,
    commands.HangUpCall: _hung_up,
    commands.LabelCall: _labelled,
    commands.TransferCall: _transferred,
    commands.DropRecording: _unrecorded,
    commands.ListNumbers: _listed,
    commands.UnlistNumbers: _unlisted,
    commands.EraseNumber: _erased,
    commands.PauseDaemon: _halted,
    commands.ResumeDaemon: _lifted,
    commands.Panic: _panicked,
    commands.ChangeTrunk: _trunk_changed,
    commands.AddWebhook: _hooked,
    commands.ChangeWebhook: _rehooked,
    commands.RemoveWebhook: _unhooked,
}
"""What was done, for each kind of command that was carried out."""
