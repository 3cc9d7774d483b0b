"""The one-page map of the system: what the engine needs of the world, as protocols.

Adapters (`store`, `asterisk`, `media`) implement them, fakes in `sim` pass the same contract suites, and
`daemon.py` is the only place that names which is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dialerd.core.clock import Instant, Now
from dialerd.core.delivery import Delivery, DeliveryNumber, DeliveryState, Reply
from dialerd.core.dnc import DncEntry, DncPatterns
from dialerd.core.effects import (
    AttachAgent,
    Originate,
)
from dialerd.core.journal import Deed, Entry, RequestDone
from dialerd.core.leftovers import Leftover
from dialerd.core.messages import (
    CallRecord,
    Event,
    LiveChannel,
)
from dialerd.core.model import (
    E164,
    Call,
    CallId,
    Campaign,
    CampaignId,
    CampaignStatus,
    ChannelId,
    Contact,
    ContactId,
    ContactKind,
    ContactState,
    Halt,
    ImportId,
    Reason,
    ScriptId,
    TrunkChange,
)
from dialerd.core.report import By, Report
from dialerd.core.results import Columns, Reject
from dialerd.core.wallclock import Stretch
from dialerd.core.webhook import Webhook, WebhookId

Sink = Callable[[Event], None]
"""Where an adapter posts what happened. Never blocks, never raises; call it from the event loop's thread."""


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> Now:
        """Both clocks, read together."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What Asterisk has of this instance at one moment."""

    live: frozenset[ChannelId]
    """Dialed channels."""
    media: frozenset[ChannelId]
    """Dialed channels for which there is a media leg or a bridge, whether they live or not."""


class Telephony(Protocol):
    """One Asterisk. Originates and hang-ups never wait; what became of them arrives at the sink."""

    def originate(self, order: Originate) -> None:
        """Send one originate. Exactly one of OriginateAccepted, -Refused, -Unanswered follows, always."""
        ...

    def hang_up(self, channel: ChannelId) -> None:
        """End a channel; one that is gone already is no error."""
        ...

    async def live_channels(self) -> tuple[LiveChannel, ...]:
        """Every dialed channel of this instance that exists now, media legs left out. Raises PortError."""
        ...

    async def snapshot(self) -> Snapshot:
        """What this instance has in Asterisk now. Raises PortError."""
        ...

    def release_media(self, channel: ChannelId) -> None:
        """Remove the media leg and the bridge of a call that is over; gone already: no error."""
        ...

    async def call_records(self, channels: frozenset[ChannelId]) -> tuple[CallRecord, ...]:
        """CDR rows under these ids. Raises PortError where the CDR cannot be read."""
        ...


class Media(Protocol):
    """The media workers: they give answered calls their agent, and report through the sink."""

    def attach(self, order: AttachAgent) -> None:
        """Bridge the call to its agent. AgentHeard, AgentReported, AgentFinished or MediaFailed follow."""
        ...

    def detach(self, call: CallId) -> None:
        """Release the call's bridge and media leg; unknown or already released: nothing happens."""
        ...

    def held(self) -> frozenset[CallId] | None:
        """The calls that the workers hold, as far as they have said; None: no worker is connected."""
        ...

    async def prepare(self, script: Script, language: str, voice: str | None = None) -> None:
        """Make the script's prompts ready to be spoken in `language` before calls need them.

        `voice` None: in the script's own.

        Raises PortError, and RequestError (422) if no voice here speaks the language.
        """
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """What one webhook is to be sent."""

    id: str
    """The same at every attempt."""
    webhook: WebhookId
    url: str
    secret: str = field(repr=False)
    body: str = field(repr=False)


class Webhooks(Protocol):
    """Whoever is told of events, over HTTP."""

    async def send(self, message: Message) -> Reply:
        """One attempt, signed as of now: what became of it within 10 s. Never raises for what a receiver does."""
        ...

    async def objection(self, url: str) -> str | None:
        """Why nothing may be sent to `url`; None: it may, or its host cannot be found at the moment."""
        ...

    def forget(self, webhook: WebhookId) -> None:
        """Let go of the connections to a webhook that is removed or has another address."""
        ...


@dataclass(frozen=True, slots=True)
class Script:
    """A script version as stored: `body` is the validated document, `source` the text it was read from."""

    id: ScriptId
    version: int
    name: str
    languages: tuple[str, ...]
    variables: Mapping[str, Any]
    """Variable name → `{"default": …}` or `{}` where the contact must bring it."""
    body: Mapping[str, Any]
    source: str
    created_at: Instant


@dataclass(frozen=True, slots=True)
class Declared:
    """A label that a voice agent may give beside those that everybody knows."""

    positive: bool = False
    terminal: bool = True
    """False: the contact is called again, as long as it has attempts left."""


@dataclass(frozen=True, slots=True)
class VoiceAgent:
    """Who talks on a call: an engine with what it needs to know. None: as the script or the request says."""

    id: str
    name: str
    language: str | None
    voice: str | None
    script_id: ScriptId | None
    engine: str
    fallback: str | None
    """The agent that takes its calls when its engine cannot."""
    dispositions: Mapping[str, Declared]
    created_at: Instant


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request that was carried out. `answer` None: the daemon died, or the store, before it was kept."""

    done: RequestDone
    answer: KeptAnswer | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as stored: never the key itself."""

    id: str
    name: str
    scope: str
    digest: bytes
    created_at: Instant
    last_used_at: Instant | None = None
    revoked_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class KeptDeed:
    """An entry of the audit trail. Ids grow, and none is given twice."""

    id: int
    deed: Deed


@dataclass(frozen=True, slots=True)
class OpenState:
    """What must be in memory when the daemon starts."""

    campaigns: tuple[Campaign, ...]
    """Live ones, and those closing with calls still open."""
    counters: Mapping[CampaignId, Mapping[str, int]]
    calls: tuple[Call, ...]
    """Attempts without a final record, with their tries and contacts (`deadline` is 0)."""
    last_call: CallId | None
    """The greatest call id ever stored."""
    rested: Mapping[E164, Instant]
    """When the last call to a number ended, for numbers called since the instant asked for."""
    halt: Halt | None = None
    trunks: tuple[TrunkChange, ...] = ()
    shown: Mapping[E164, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """For each caller id the hours (since 1970) in which it was shown since the instant asked for, and how often."""
    erasing: frozenset[E164] = frozenset()
    """Numbers of persons that are being erased."""
    webhooks: tuple[Webhook, ...] = ()
    last_delivery: DeliveryNumber = DeliveryNumber(0)
    """The greatest number of a delivery to a webhook that is stored."""


@dataclass(frozen=True, slots=True)
class ReadyBatch:
    """Waiting contacts, each kind in dialing order."""

    contacts: tuple[Contact, ...]
    exhausted: frozenset[ContactKind]
    """Kinds of which no more are due."""
    next_due: Instant | None
    """When the earliest waiting contact that is not due yet becomes due."""


@dataclass(frozen=True, slots=True)
class NewContact:
    """A validated row of a contact list."""

    phone: E164
    name: str | None
    timezone: str | None
    external_id: str | None
    variables: Mapping[str, Any]
    suppressed: bool = False
    """On the do-not-call list: it is stored, and never dialed."""


@dataclass(frozen=True, slots=True)
class Dnc:
    """The do-not-call list as read at start."""

    version: int
    patterns: DncPatterns
    """Handed over: whoever asked may change them."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call that is over, as far as a forecast of other calls is concerned."""

    id: CallId
    phone: E164
    timezone: str | None
    """What its contact says."""
    started_at: Instant
    ring_ms: int
    """From the originate to the answer, or to the end of a call that was not answered; of its last try."""
    talk_ms: int | None
    """None: it was not answered."""
    disposition: str
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, newest first."""

    limit: int
    offset: int


@dataclass(frozen=True, slots=True)
class CampaignFilter:
    """Which campaigns to list; None: any. Bounds are inclusive."""

    status: CampaignStatus | None = None
    created_from: Instant | None = None
    created_to: Instant | None = None


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls to list; None: any. Bounds are inclusive."""

    campaign: CampaignId | None = None
    started_from: Instant | None = None
    started_to: Instant | None = None
    disposition: str | None = None
    language: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class DeedFilter:
    """Which entries of the audit trail to list; None: any. Bounds are inclusive."""

    actor: str | None = None
    """Who it was, by `Author.actor` or by their name."""
    action: str | None = None
    object: str | None = None
    at_from: Instant | None = None
    at_to: Instant | None = None


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Which calls are reported, and by what. Bounds are inclusive."""

    by: By
    started_from: Instant
    started_to: Instant
    campaign: CampaignId | None = None
    """None: all calls, single ones included."""
    clock: tuple[Stretch, ...] = ()
    """The clock by whose hours or days calls are grouped, as far as it is asked for and within the bounds."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Which deliveries of one state are kept."""

    since: Instant
    """Those that were queued then or later."""
    most: int
    """The newest of them."""


class Journal(Protocol):
    """The writing side of the store: one writer, whole transactions."""

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Make all entries durable, or none. Raises PortError (I/O, disk, lock) or InvariantError (integrity).

        InDoubtError, a PortError: it is one of the two, and `settle` will tell which. It returns or raises within
        seconds, whatever the store does.
        """
        ...

    async def settle(self, transaction: int) -> bool:
        """Whether the entries of a commit that raised InDoubtError are stored; asked once.

        Raises PortError while that cannot be told.
        """
        ...

    async def probe(self) -> None:
        """Write something of no meaning, to learn whether commits succeed again. Raises PortError."""
        ...


@dataclass(frozen=True, slots=True)
class ExportPart:
    """Some rows of a file as CSV text, and behind what the next part begins; None: there is none."""

    text: bytes
    behind: tuple[int, ...] | None


class Exports(Protocol):
    """What files of a campaign are made of. All of it raises `PortError`, also if the campaign is deleted meanwhile.

    `behind`: where the part before has ended, empty for the first one.
    """

    async def result_columns(self, campaign: CampaignId) -> Columns:
        """The names of all variables and captured values of a campaign. It looks at all contacts and calls."""
        ...

    async def results(self, campaign: CampaignId, columns: Columns, behind: tuple[int, ...]) -> ExportPart:
        """Some contacts in list order, a row each."""
        ...

    async def reject_columns(self, campaign: CampaignId) -> Columns:
        """The names of all columns that rejected rows of a campaign's lists had."""
        ...

    async def rejects(self, campaign: CampaignId, columns: Columns, behind: tuple[int, ...]) -> ExportPart:
        """Some rejected rows, list by list, each in its lines' order."""
        ...


class Store(Journal, Exports, Protocol):
    """Everything durable."""

    async def open(self) -> None:
        """Lock, create or migrate. Raises PortError naming the holder of the lock, or what is wrong."""
        ...

    async def close(self) -> None:
        """Finish what was begun, release the lock."""
        ...

    async def open_state(self, rested_since: Instant, shown_since: Instant | None = None) -> OpenState:
        """What the engine must hold; drops imports that were never sealed.

        `rested_since`: ends of calls from then on; `shown_since`: caller ids from then on, None for none.
        """
        ...

    async def ready(
        self,
        campaign: CampaignId,
        now: Instant,
        held: frozenset[ContactId],
        limits: tuple[int, int, int],
        recent_since: Instant | None = None,
    ) -> ReadyBatch:
        """Of each kind at most `limits` due waiting contacts outside `held`, by (not_before, id).

        Due: `not_before` ≤ now. `recent_since`: give them the counted calls to their numbers since then, as
        `Contact.recent`.
        """
        ...

    async def ready_under(
        self,
        campaign: CampaignId,
        now: Instant,
        held: frozenset[ContactId],
        prefixes: Sequence[str],
        behind: str,
        limit: int,
        recent_since: Instant | None = None,
    ) -> Sequence[Contact]:
        """At most `limit` due waiting contacts outside `held` whose digits begin with a prefix, by their numbers.

        Only numbers greater than `behind`; fewer than `limit` only if there are no more.
        """
        ...

    async def recent_calls(self, phone: E164, since: Instant) -> tuple[Instant, ...]:
        """Starts of the counted calls to a number after `since`, over all campaigns, oldest first."""
        ...

    async def begin_import(self, campaign: CampaignId) -> ImportId:
        """A fresh unsealed import for contacts of `campaign`; nothing reads its rows until it is sealed."""
        ...

    async def add_contacts(
        self, import_id: ImportId, campaign: CampaignId, rows: Sequence[NewContact]
    ) -> int:
        """Append at most 500 rows; returns how many were new to the campaign. Below dialing in priority."""
        ...

    async def add_rejects(self, import_id: ImportId, refused: Sequence[Reject]) -> None:
        """Keep at most 500 rows of a list that cannot be used, beside its contacts. Below dialing in priority."""
        ...

    async def drop_import(self, import_id: ImportId) -> None:
        """Forget an import that was refused."""
        ...

    async def add_script(
        self, script: Script, done: RequestDone | None = None, deed: Deed | None = None
    ) -> None:
        """Store a script version, the request that asked for it, and who did.

        Raises InvariantError if version or request exists. So with agents and keys; a `deed` is stored only with a
        change that it tells of.
        """
        ...

    async def script(self, script_id: ScriptId, version: int | None = None) -> Script | None:
        """One version of a script, deleted or not; without `version` the newest, if it is not deleted."""
        ...

    async def script_versions(self, script_id: ScriptId) -> int:
        """The highest version that was ever stored, deleted ones included; 0: none."""
        ...

    async def scripts(self, page: Page) -> tuple[Sequence[Script], int]:
        """Newest version of each script that is not deleted, and how many there are."""
        ...

    async def delete_script(self, script_id: ScriptId, at: Instant, deed: Deed | None = None) -> bool:
        """Delete a script, all its versions; False: there is none. What was begun with one still finds it."""
        ...

    async def add_agent(
        self, agent: VoiceAgent, done: RequestDone | None = None, deed: Deed | None = None
    ) -> None:
        """Store a new agent, and the request that asked for it. Raises InvariantError if either exists."""
        ...

    async def save_agent(self, agent: VoiceAgent, deed: Deed | None = None) -> bool:
        """Change an agent; False: there is none."""
        ...

    async def delete_agent(self, agent_id: str, deed: Deed | None = None) -> bool:
        """Delete an agent; False: there is none."""
        ...

    async def agent(self, agent_id: str) -> VoiceAgent | None:
        """One agent."""
        ...

    async def agents(self, page: Page) -> tuple[Sequence[VoiceAgent], int]:
        """A page of agents, newest first, and how many there are."""
        ...

    async def agents_naming(self, *, script: str = "", agent: str = "") -> Sequence[str]:
        """Ids of the agents that name a script as theirs, or another agent as their fallback."""
        ...

    async def campaign(self, campaign: CampaignId) -> tuple[Campaign, Mapping[str, int]] | None:
        """A campaign and its counters."""
        ...

    async def campaigns(
        self, where: CampaignFilter, page: Page
    ) -> tuple[Sequence[tuple[Campaign, Mapping[str, int]]], int]:
        """A page of campaigns with their counters, and how many match."""
        ...

    async def deletions(self) -> Sequence[CampaignId]:
        """The campaigns that are being deleted: nothing of them is shown any more. Oldest order first."""
        ...

    async def delete_some(self, campaign: CampaignId, calls_before: Instant) -> int:
        """Delete at most 500 rows of a campaign that is being deleted; how many that were. Below dialing in priority.

        The campaign itself goes last. 0: it is gone, or calls are left that began at `calls_before` or later.
        """
        ...

    async def finished_before(self, before: Instant, limit: int) -> Sequence[CampaignId]:
        """At most `limit` campaigns that finished before an instant and are not being deleted; oldest first."""
        ...

    async def drop_calls(self, before: Instant) -> int:
        """Delete at most 500 calls that are over and began before an instant; how many. Below dialing in priority."""
        ...

    async def drop_deeds(self, before: Instant) -> int:
        """Delete at most 500 entries of the audit trail from before an instant; how many. Below dialing in priority."""
        ...

    async def erasures(self) -> Sequence[E164]:
        """The numbers of persons that are being erased, oldest order first."""
        ...

    async def erase_some(self, phone: E164) -> int:
        """Change some rows that tell of a number that is being erased; how many that were. Below dialing.

        Contacts and calls stay as figures of their campaigns, under a number that nobody has (`E164.erased`). 0: the
        number is erased and not among `erasures` any more, or contacts with it still wait. The do-not-call list stays.
        """
        ...

    async def history(self, phone: E164, limit: int) -> Sequence[tuple[Campaign, Contact]]:
        """At most `limit` sealed contacts with a number, of the newest campaigns first."""
        ...

    async def contacts(
        self, campaign: CampaignId, page: Page, state: ContactState | None = None
    ) -> tuple[Sequence[Contact], int]:
        """A page of a campaign's sealed contacts in list order, and how many there are (in `state`)."""
        ...

    async def contact(self, campaign: CampaignId, phone: E164) -> Contact | None:
        """The sealed contact of a campaign with this number."""
        ...

    async def leftovers(
        self, campaign: CampaignId, which: Leftover, behind: tuple[int, ...]
    ) -> tuple[Sequence[Contact], tuple[int, ...] | None]:
        """Some contacts of a campaign that a clone takes over, in list order, and behind what the next ones begin.

        `behind`: what the answer before has said, empty for the first; None: there are no more.
        """
        ...

    async def waiting_under(self, pattern: str, limit: int) -> Sequence[Contact]:
        """At most `limit` sealed waiting contacts of live campaigns whose number matches a do-not-call pattern.

        Fewer only if there are no more; in no order.
        """
        ...

    async def waiting(self, campaign: CampaignId, behind: str, limit: int) -> Sequence[Contact]:
        """At most `limit` sealed waiting contacts of a campaign, due or not, whose numbers are greater than `behind`.

        By their numbers; fewer only if there are no more.
        """
        ...

    async def past_calls(
        self, campaign: CampaignId | None, before: CallId | None, limit: int
    ) -> Sequence[PastCall]:
        """At most `limit` calls that are over, of a campaign or of all, opened before a call (None: now), newest first.

        Fewer only if there are no more.
        """
        ...

    async def dnc(self) -> Dnc:
        """The whole do-not-call list, entries that have ended included. Raises PortError."""
        ...

    async def dnc_entries(self, page: Page) -> tuple[Sequence[DncEntry], int]:
        """A page of the do-not-call list, newest first, and how many entries there are."""
        ...

    async def dnc_entry(self, pattern: str) -> DncEntry | None:
        """The entry of exactly this pattern, ended or not."""
        ...

    async def audit_counters(self, campaign: CampaignId) -> Mapping[str, tuple[int, int]]:
        """Counters of contacts that differ from a recount: key → (kept, counted). Empty: they are in step."""
        ...

    async def calls(self, where: CallFilter, page: Page) -> tuple[Sequence[CallRow], int]:
        """A page of calls, and how many match."""
        ...

    async def call(self, call: CallId) -> CallRow | None:
        """One call."""
        ...

    async def report(self, where: ReportFilter) -> Report:
        """The figures of the calls that are over. It reads all of them: seconds for a million."""
        ...

    async def waiting_deliveries(
        self, webhook: WebhookId, behind: DeliveryNumber, limit: int
    ) -> Sequence[Delivery]:
        """At most `limit` waiting deliveries with greater numbers than `behind`, in order; fewer: no more wait."""
        ...

    async def deliveries(
        self, webhook: WebhookId, page: Page, state: DeliveryState | None = None
    ) -> tuple[Sequence[Delivery], int]:
        """A page of a webhook's deliveries, newest first, and how many there are (in `state`)."""
        ...

    async def delivery(self, webhook: WebhookId, number: DeliveryNumber) -> Delivery | None:
        """One delivery of a webhook."""
        ...

    async def delivery_counts(self) -> Mapping[tuple[WebhookId, DeliveryState], int]:
        """How many deliveries of each webhook wait, and how many are dead; those without any are left out."""
        ...

    async def note_deliveries(self, rows: Sequence[Delivery]) -> None:
        """Keep what became of deliveries; those that are gone are passed over. Below dialing in priority."""
        ...

    async def revive_dead(self, webhook: WebhookId, now: Instant) -> int:
        """Have a webhook's dead deliveries wait again, as if they had never been tried; how many.

        Below dialing in priority.
        """
        ...

    async def drop_deliveries(self, webhook: WebhookId, kept: Mapping[DeliveryState, Kept]) -> int:
        """Forget deliveries of these states that are too many or too old; how many. Below dialing in priority."""
        ...

    async def drop_orphans(self) -> int:
        """Forget the deliveries of webhooks that were removed; how many. Below dialing in priority."""
        ...

    async def add_key(self, key: ApiKey, done: RequestDone | None = None, deed: Deed | None = None) -> None:
        """Store an API key's digest, and the request that asked for it. Raises InvariantError if either exists."""
        ...

    async def key_by_digest(self, digest: bytes) -> ApiKey | None:
        """The unrevoked key with this digest."""
        ...

    async def keys(self) -> Sequence[ApiKey]:
        """All keys, newest first."""
        ...

    async def revoke_key(self, key_id: str, at: Instant, deed: Deed | None = None) -> bool:
        """Revoke a key; False if there is none."""
        ...

    async def note_use(self, used: Mapping[str, Instant]) -> None:
        """When keys were last used, by id; below dialing in priority."""
        ...

    async def deeds(self, where: DeedFilter, page: Page) -> tuple[Sequence[KeptDeed], int]:
        """A page of the audit trail, newest first, and how many entries match."""
        ...

    async def request_done(self, ident: str, after: Instant) -> AnsweredRequest | None:
        """The request that was carried out under this name after an instant."""
        ...

    async def keep_answer(self, done: RequestDone, answer: KeptAnswer) -> None:
        """Keep what was answered to a request; below dialing in priority."""
        ...

    async def forget_requests(self, before: Instant) -> None:
        """Forget the requests that were carried out at an instant or before it; below dialing in priority."""
        ...


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call as stored: the shape behind the API's call object, instants as instants."""

    id: CallId
    campaign_id: CampaignId | None
    phone: E164
    name: str | None
    status: str
    disposition: str | None
    reason: str | None
    attempt: int
    counted: bool
    language: str
    script_id: ScriptId
    script_version: int
    started_at: Instant
    answered_at: Instant | None
    ended_at: Instant | None
    duration_ms: int
    answered_by: str | None
    gate: Mapping[str, Any]
    captured: Mapping[str, Any]
    transcript: Sequence[Mapping[str, Any]]
    tries: Sequence[TryRow]
    callback: bool = False
    """The callee asked for this call."""
    agent_id: str | None = None
    voice: str | None = None


@dataclass(frozen=True, slots=True)
class TryRow:
    """A try as stored."""

    channel: ChannelId
    number: int
    trunk: str
    caller_id: str
    state: str
    opened_at: Instant
    ringing_at: Instant | None
    answered_at: Instant | None
    ended_at: Instant | None
    cause: int | None
    sip_code: int | None
