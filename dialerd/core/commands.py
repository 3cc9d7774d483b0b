"""What may be asked of the dialer, and what it answers.

A command is carried out whole in one turn (`dialerd.core.orders`) or refused with the reason. It is data: it knows
neither who gave it nor how it is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import (
    field,
)
from typing import Any

from dialerd.core.clock import Instant
from dialerd.core.dnc import DncEntry
from dialerd.core.engine import EMBEDDED, StandIn
from dialerd.core.identity import E164, CallId, CampaignId, ChannelId, ImportId, ScriptId, TrunkName
from dialerd.core.model import Campaign, Label, OnMachine, Terms
from dialerd.core.record import record
from dialerd.core.transfer import TransferWish
from dialerd.core.verdict import Check
from dialerd.core.webhook import Webhook, WebhookId


@record
class AdmitCampaign:
    """Take up a new campaign whose `contacts` contacts are stored under `import_id`, and seal that import."""

    campaign: Campaign
    import_id: ImportId
    contacts: int
    suppressed: int = 0
    cloned_from: CampaignId | None = None
    """The campaign whose settings and contacts it took over."""


@record
class StartCampaign:
    """Start before the scheduled time (`at_once`) or a campaign without schedule."""

    campaign: CampaignId
    at_once: bool = False


@record
class PauseCampaign:
    """Place no new calls; `cancel_ringing` also ends those that ring."""

    campaign: CampaignId
    cancel_ringing: bool = False


@record
class ResumeCampaign:
    """Go on dialing."""

    campaign: CampaignId


@record
class StopCampaign:
    """End for good; `hang_up` also ends live calls, `cancel_ringing` those that ring."""

    campaign: CampaignId
    hang_up: bool = False
    cancel_ringing: bool = False


@record
class AddContacts:
    """Give a live campaign the contacts stored under `import_id`, and seal that import."""

    campaign: CampaignId
    import_id: ImportId
    contacts: int
    suppressed: int = 0


@record
class EditCampaign:
    """Replace fields of a live campaign. `expected`: only if it still has this version."""

    campaign: CampaignId
    changes: Mapping[str, Any]
    """Fields of `Campaign` by name, already validated."""
    expected: int | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    """The same in the words of the request."""


@record
class DeleteCampaign:
    """Forget a finished campaign with all that belongs to it."""

    campaign: CampaignId


@record
class PlaceCall:
    """One call of its own, through every gate, now or not at all."""

    phone: E164
    script_id: ScriptId
    script_version: int
    language: str
    terms: Terms
    name: str | None = None
    timezone: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    agent_id: str | None = None
    voice: str | None = None
    recent: tuple[Instant, ...] = ()
    """Starts of earlier calls to the number, as far back as frequency caps look."""
    engine: str = EMBEDDED
    stand_ins: tuple[StandIn, ...] = ()
    instructions: Mapping[str, Any] = field(default_factory=dict)
    """See `Call.instructions`."""
    on_machine: OnMachine = OnMachine.CONTINUE


@record
class HangUpCall:
    """End one live call."""

    call: CallId
    by_agent: bool = False
    """Its own agent does so: an answered call is over then as it is when any agent is done."""


@record
class LabelCall:
    """Say what came of a live call, instead of what its own agent says."""

    call: CallId
    label: Label


@record
class TransferCall:
    """Connect the callee of a live call with a person."""

    call: CallId
    wish: TransferWish


@record
class DropRecording:
    """Have the recording of a call deleted."""

    call: CallId


@record
class ListNumbers:
    """Put patterns on the do-not-call list."""

    entries: tuple[DncEntry, ...]
    listed: int | None = None
    """Of a list that was imported: how many entries it has, if these are its first ones, else 0."""


@record
class UnlistNumbers:
    """Take patterns off the do-not-call list."""

    patterns: tuple[str, ...]


@record
class EraseNumber:
    """Forget a person: nobody calls the number until nothing that is stored tells of it any more."""

    phone: E164


@record
class PauseDaemon:
    """Place no new calls at all; `cancel_ringing` also ends those that ring."""

    cancel_ringing: bool = False


@record
class ResumeDaemon:
    """Lift a pause or a panic of the whole daemon."""


@record
class Panic:
    """Place no new calls at all and hang up every call of ours."""


@record
class ChangeTrunk:
    """Pause a trunk (`paused`: why), mend it (`mended`), or set its limits; None: as it is."""

    trunk: TrunkName
    paused: str | None = None
    mended: bool = False
    max_channels: int | None = None
    calls_per_second: float | None = None


@record
class AddWebhook:
    """Tell somebody of events, from this turn on."""

    webhook: Webhook


@record
class ChangeWebhook:
    """Replace fields of a webhook."""

    webhook: WebhookId
    changes: Mapping[str, Any]
    """Fields of `Webhook` by name, already validated."""


@record
class RemoveWebhook:
    """Tell somebody of nothing any more."""

    webhook: WebhookId


Halting = PauseCampaign | StopCampaign | PauseDaemon | Panic
"""Commands that are answered only when no originate can follow them."""

Command = (
    AdmitCampaign
    | AddContacts
    | EditCampaign
    | StartCampaign
    | PauseCampaign
    | ResumeCampaign
    | StopCampaign
    | DeleteCampaign
    | PlaceCall
    | HangUpCall
    | LabelCall
    | TransferCall
    | DropRecording
    | ListNumbers
    | UnlistNumbers
    | EraseNumber
    | PauseDaemon
    | ResumeDaemon
    | Panic
    | ChangeTrunk
    | AddWebhook
    | ChangeWebhook
    | RemoveWebhook
)


@record
class Unmet:
    """Why there can be no callback at the time that was asked for, and when there could be one."""

    detail: str
    next: Instant | None = None
    """The earliest time after the one asked for; None: there is none."""
    latest: Instant | None = None
    """The last possible time; None: there is none, or there is no last one."""


@record
class Done:
    """A command was carried out. `await_shown`: tries that must show themselves before it may be answered."""

    changed: bool
    await_shown: frozenset[ChannelId] = frozenset()
    call: CallId | None = None
    """The call that was placed."""
    unmet: Unmet | None = None
    """The callback that was asked for cannot be."""


@record
class Refused:
    """A command conflicts with the state; `state` names it."""

    detail: str
    state: str | None = None
    unknown: bool = False
    edited: bool = False
    """Somebody else has edited it meanwhile."""
    why: tuple[Check, ...] = ()
    """What the gate said against a call of its own, in its order."""


Answer = Done | Refused
