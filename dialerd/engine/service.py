"""What the control plane may ask of the daemon: commands and queries, in the API's terms.

Answers are API objects (plain dicts, `dialerd.engine.views`); refusals are `RequestError`, a store or a port
that is out is `PortError`. Commands go through the engine's mailbox; queries read committed state only.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dialerd.core.clock import Instant
from dialerd.core.commands import (
    Command,
    PauseCampaign,
    Refused,
    ResumeCampaign,
    StartCampaign,
    StopCampaign,
)
from dialerd.core.errors import Fault, InvariantError, PortError, conflict, invalid, not_found
from dialerd.core.model import CallId, Campaign, CampaignId, CampaignStatus, ScriptId, Trunk
from dialerd.engine.admission import Admission, ContactFile, ContactIntake, Dialer
from dialerd.engine.status import EngineStatus
from dialerd.engine.views import (
    call_view,
    campaign_view,
    key_view,
    page_view,
    script_view,
    status_view,
)
from dialerd.ports import ApiKey, CallFilter, CampaignFilter, Clock, Media, Page, Script, Store

SCOPES = ("read", "write", "admin")

_CHOSEN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY_CACHE = 1_000
"""Keys remembered between requests; this daemon is the only one that writes them."""


class LiveEngine(Dialer, Protocol):
    """What is asked of the engine (`dialerd.engine.runtime.Engine`)."""

    def campaign(self, campaign: CampaignId) -> tuple[Campaign, Mapping[str, int]] | None:
        """A live campaign and its counters; None: ask the store."""
        ...

    def blocked(self, campaign: CampaignId) -> list[dict[str, str | None]]:
        """Why a live campaign is not dialing now."""
        ...

    def status(self) -> EngineStatus:
        """The daemon as it stands."""
        ...


class ParsedScript(Protocol):
    """A script text that was understood."""

    @property
    def script_id(self) -> str | None:
        """The id it chooses for itself."""
        ...

    @property
    def name(self) -> str:
        """Its name for people."""
        ...

    @property
    def languages(self) -> Sequence[str]:
        """Languages it has all texts for, BCP-47."""
        ...

    @property
    def variables(self) -> Mapping[str, Any]:
        """Variable → `{"default": …}`, or `{}` where the contact must bring it."""
        ...

    @property
    def body(self) -> Mapping[str, Any]:
        """The validated document, as it is stored."""
        ...


class ScriptParser(Protocol):
    """Understands script texts, outside this process where that may take long."""

    async def __call__(self, source: str) -> ParsedScript:
        """The script in `source`. Raises `RequestError` (422) with every fault."""
        ...


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the service knows of the installation."""

    instance: str
    version: str
    trunks: tuple[Trunk, ...]


@dataclass(frozen=True, slots=True)
class Carriage:
    """A command's result: the campaign as it is now, and originates that had not shown themselves yet."""

    campaign: dict[str, Any]
    in_flight: int


class Service:
    """The daemon, as the control plane sees it."""

    def __init__(
        self,
        engine: LiveEngine,
        store: Store,
        media: Media,
        clock: Clock,
        settings: ServiceSettings,
        intake: ContactIntake,
        parse_script: ScriptParser,
    ) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock
        self._settings = settings
        self._parse_script = parse_script
        self._admission = Admission(engine, store, media, clock, settings.trunks, intake)
        self._keys: dict[bytes, ApiKey] = {}
        self._revocations = 0

    # --- campaigns -------------------------------------------------------------------------------

    async def create_campaign(
        self, fields: Mapping[str, Any] | None, contacts: ContactFile
    ) -> dict[str, Any]:
        """Create a campaign; `fields` None: they stand in the JSON document with the contacts."""
        admitted = await self._admission.create(fields, contacts)
        campaign = admitted.campaign
        live = self._engine.campaign(campaign.id) or (campaign, {"total": admitted.contacts})
        return {**self._live_view(*live), "import": admitted.report}

    async def campaign(self, ident: str) -> dict[str, Any]:
        """One campaign. Raises `RequestError` 404."""
        campaign = CampaignId(ident)
        live = self._engine.campaign(campaign)
        if live is not None:
            return self._live_view(*live)
        stored = await self._store.campaign(campaign)
        if stored is None:
            raise not_found("campaign", ident)
        return campaign_view(*stored, [])

    async def campaigns(self, where: CampaignFilter, page: Page) -> dict[str, Any]:
        """A page of campaigns, newest first."""
        found, total = await self._store.campaigns(where, page)
        return page_view([self._live_view(*item) for item in found], total, page)

    async def start(self, ident: str, *, at_once: bool) -> Carriage:
        """Start a campaign; before its start time only `at_once`. Raises `RequestError` 404, 409."""
        return await self._carry_out(ident, StartCampaign(CampaignId(ident), at_once), "start")

    async def pause(self, ident: str, *, cancel_ringing: bool) -> Carriage:
        """Place no new calls: none leaves after this has returned with nothing in flight."""
        return await self._carry_out(ident, PauseCampaign(CampaignId(ident), cancel_ringing), "pause")

    async def resume(self, ident: str) -> Carriage:
        """Go on dialing."""
        return await self._carry_out(ident, ResumeCampaign(CampaignId(ident)), "resume")

    async def stop(self, ident: str, *, hang_up: bool, cancel_ringing: bool) -> Carriage:
        """End a campaign for good."""
        command = StopCampaign(CampaignId(ident), hang_up, cancel_ringing)
        return await self._carry_out(ident, command, "stop")

    async def _carry_out(self, ident: str, command: Command, verb: str) -> Carriage:
        carried = await self._engine.command(command)
        answer = carried.answer
        if isinstance(answer, Refused):
            if not answer.unknown:
                raise conflict(answer.detail, state=answer.state)
            return Carriage(await self._finished(ident, verb), 0)
        return Carriage(await self.campaign(ident), carried.in_flight)

    async def _finished(self, ident: str, verb: str) -> dict[str, Any]:
        """The answer for a campaign that the engine no longer holds: stopping a stopped one changes nothing."""
        stored = await self._store.campaign(CampaignId(ident))
        if stored is None:
            raise not_found("campaign", ident)
        campaign = stored[0]
        if verb == "stop" and campaign.status is CampaignStatus.STOPPED:
            return campaign_view(*stored, [])
        raise conflict(f"cannot {verb} a campaign that is {campaign.status}", state=campaign.status.value)

    def _live_view(self, campaign: Campaign, counters: Mapping[str, int]) -> dict[str, Any]:
        blocked = self._engine.blocked(campaign.id) if campaign.status.live else []
        return campaign_view(campaign, counters, blocked)

    # --- calls -----------------------------------------------------------------------------------

    async def calls(self, where: CallFilter, page: Page) -> dict[str, Any]:
        """A page of calls, newest first."""
        rows, total = await self._store.calls(where, page)
        return page_view([call_view(row) for row in rows], total, page)

    async def call(self, ident: str) -> dict[str, Any]:
        """One call. Raises `RequestError` 404."""
        row = await self._store.call(CallId(ident))
        if row is None:
            raise not_found("call", ident)
        return call_view(row)

    # --- scripts ---------------------------------------------------------------------------------

    async def add_script(self, source: str, chosen_id: str | None, name: str | None) -> dict[str, Any]:
        """Store a script as version 1, under the chosen id, else the one in its text, else a new one.

        Raises `RequestError`: 422 with every fault, 409 if the id is taken.
        """
        if chosen_id is not None and not _CHOSEN_ID.fullmatch(chosen_id):
            raise invalid([Fault("script_id", "must be 1 to 64 letters, digits, '_' or '-'")])
        parsed = await self._parse_script(source)
        ident = ScriptId(chosen_id or parsed.script_id or f"scr_{secrets.token_hex(6)}")
        taken = conflict(f"there is a script {ident!r} already; choose another script_id", state="exists")
        if await self._store.script(ident) is not None:
            raise taken
        script = Script(
            id=ident,
            version=1,
            name=name or parsed.name,
            languages=tuple(parsed.languages),
            variables=dict(parsed.variables),
            body=parsed.body,
            source=source,
            created_at=self._clock.now().wall,
        )
        try:
            await self._store.add_script(script)
        except InvariantError:
            raise taken from None
        return script_view(script)

    async def script(self, ident: str) -> dict[str, Any]:
        """The newest version of a script. Raises `RequestError` 404."""
        script = await self._store.script(ScriptId(ident))
        if script is None:
            raise not_found("script", ident)
        return script_view(script)

    async def scripts(self, page: Page) -> dict[str, Any]:
        """A page of scripts, newest versions."""
        found, total = await self._store.scripts(page)
        return page_view([script_view(script) for script in found], total, page)

    # --- keys ------------------------------------------------------------------------------------

    async def add_key(self, name: str, scope: str, digest: bytes) -> dict[str, Any]:
        """Store the digest of a new API key."""
        key = ApiKey(f"key_{secrets.token_hex(6)}", name, scope, digest, self._clock.now().wall)
        await self._store.add_key(key)
        return key_view(key)

    async def key_by_digest(self, digest: bytes) -> ApiKey | None:
        """The unrevoked key with this digest."""
        known = self._keys.get(digest)
        if known is None:
            before = self._revocations
            known = await self._store.key_by_digest(digest)
            if known is not None and before == self._revocations:
                if len(self._keys) >= _KEY_CACHE:
                    self._keys.clear()
                self._keys[digest] = known
        return known

    async def has_keys(self) -> bool:
        """Whether any key could be used."""
        return any(key.revoked_at is None for key in await self._store.keys())

    async def keys(self, page: Page) -> dict[str, Any]:
        """A page of keys, newest first, revoked ones included."""
        keys = await self._store.keys()
        shown = [key_view(key) for key in keys[page.offset : page.offset + page.limit]]
        return page_view(shown, len(keys), page)

    async def revoke_key(self, ident: str) -> None:
        """Revoke a key: the next request with it is refused. Raises `RequestError` 404."""
        revoked = await self._store.revoke_key(ident, self._clock.now().wall)
        # Counted after the store's answer: a look-up that began before it must not be remembered.
        self._revocations += 1
        self._keys.clear()
        if not revoked:
            raise not_found("key", ident)

    # --- the daemon ------------------------------------------------------------------------------

    async def status(self) -> dict[str, Any]:
        """The daemon as it stands; what cannot be read is null."""
        counts: dict[str, int | None] = {}
        for status in CampaignStatus:
            try:
                _, total = await self._store.campaigns(CampaignFilter(status=status), Page(1, 0))
            except PortError:
                counts[status.value] = None
            else:
                counts[status.value] = total
        return {
            "instance": self._settings.instance,
            "version": self._settings.version,
            **status_view(self._engine.status()),
            "campaigns": counts,
        }

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Whether calls can be placed, and the state of everything that takes."""
        shown = status_view(self._engine.status())
        ready = bool(shown["dialing"])
        parts = {name: shown[name]["state"] for name in ("asterisk", "manager", "store", "media")}
        return ready, {"ready": ready, "problems": shown["problems"], **parts}

    def now(self) -> Instant:
        """The daemon's wall clock."""
        return self._clock.now().wall
