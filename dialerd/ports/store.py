"""The port to the store: what is made durable, what is read back, and what people ask for.

One contract for every database, and for the fake; `tests/contracts` holds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dialerd.core.clock import Instant
from dialerd.core.contact import Contact, ContactState
from dialerd.core.delivery import Delivery, DeliveryNumber, DeliveryState
from dialerd.core.dnc import DncEntry
from dialerd.core.identity import E164, CallId, CampaignId, ContactId, ImportId, ScriptId
from dialerd.core.journal import Deed, Entry, RequestDone
from dialerd.core.leftovers import Leftover
from dialerd.core.model import Campaign
from dialerd.core.report import Report
from dialerd.core.results import Columns, Reject
from dialerd.core.webhook import WebhookId
from dialerd.ports.records import (
    AnsweredRequest,
    ApiKey,
    CallFilter,
    CallRow,
    CampaignFilter,
    DeedFilter,
    Dnc,
    Kept,
    KeptAnswer,
    KeptDeed,
    NewContact,
    OpenState,
    Page,
    PastCall,
    ReadyBatch,
    ReportFilter,
    Script,
    VoiceAgent,
)


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

    async def doom_recordings(self, before: Instant | None, most: int | None, since: Instant) -> int:
        """Give up at most 500 recordings from before an instant, then of the oldest ones beyond `most` bytes; how many.

        From here on they are not shown, and their files are to be deleted. Below dialing in priority.
        """
        ...

    async def doomed_files(self, limit: int) -> Sequence[str]:
        """Recordings whose files are to be deleted, oldest order first; paths below the folder of recordings."""
        ...

    async def forget_file(self, path: str) -> None:
        """A doomed file is gone."""
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
