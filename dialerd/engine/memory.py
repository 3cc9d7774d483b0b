"""What the engine knows at this moment, as committed: asked by whoever, answered at once. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dialerd.core import gate
from dialerd.core.clock import Instant
from dialerd.core.compliance import Callee
from dialerd.core.contact import Contact
from dialerd.core.dnc import DncMatch
from dialerd.core.errors import PortError
from dialerd.core.identity import E164, CallId, CampaignId, ScriptId
from dialerd.core.model import Call, Campaign
from dialerd.core.policy import Policy
from dialerd.core.verdict import Check
from dialerd.core.webhook import Webhook, WebhookId
from dialerd.core.world import World
from dialerd.engine.outage import Outage
from dialerd.engine.status import EngineStatus, check_view, describe
from dialerd.ports import Clock, Store


class Memory:
    """Questions to the world, which the engine alone changes."""

    def __init__(self, world: World, store: Store, clock: Clock, outage: Outage) -> None:
        self._world = world
        self._store = store
        self._clock = clock
        self._outage = outage
        self.draining = False
        """Whether the daemon is on its way out: nothing new is dialed."""

    def campaign(self, campaign: CampaignId) -> tuple[Campaign, Mapping[str, int]] | None:
        """A live campaign and its counters as committed; None: not held here, ask the store."""
        found = self._world.campaigns.committed.get(campaign)
        if found is None:
            return None
        return found, self._world.counters.committed.get(campaign, {})

    def awaits_recording(self, call: CallId) -> bool:
        """Whether a call is being recorded, and its recording wanted."""
        return self._world.recordings.committed.get(call) is True

    def users(self, *, script: ScriptId | None = None, agent: str | None = None) -> list[str]:
        """The live campaigns, and the calls of their own, that use a script or an agent, by id."""
        return [
            item.id
            for item in self._using()
            if (script is not None and script in (item.script_id, *(s.script_id for s in item.stand_ins)))
            or (agent is not None and agent in (item.agent_id, *(s.agent_id for s in item.stand_ins)))
        ]

    def scripts(self) -> set[tuple[ScriptId, int]]:
        """The scripts that live campaigns and calls hold, with their versions, those of stand-ins included."""
        held: set[tuple[ScriptId, int]] = set()
        for item in self._using():
            held.add((item.script_id, item.script_version))
            held.update((ScriptId(one.script_id), one.script_version) for one in item.stand_ins)
        return held

    def _using(self) -> list[Campaign | Call]:
        campaigns = [item for item in self._world.campaigns.committed.values() if item.status.live]
        return [*campaigns, *self._world.calls.committed.values()]

    def blocked(self, campaign: CampaignId) -> list[dict[str, str | None]]:
        """Why a live campaign is not dialing now: `[{reason, detail, until}]`, empty if it is."""
        found = self._world.campaigns.committed.get(campaign)
        if found is None:
            return []
        return self._reasons(gate.campaign_why(self._world, found, self._clock.now()))

    def why(self, campaign: Campaign, contact: Contact) -> list[dict[str, str | None]]:
        """Why a contact of a live campaign is not being dialed now, in the order of the gate."""
        ask = gate.Ask(contact.phone, campaign.terms, campaign, contact, contact.timezone)
        return self._reasons(gate.why(self._world, ask, self._clock.now()))

    def suppressed(self, phones: Iterable[E164]) -> frozenset[E164]:
        """Those of `phones` that are on the do-not-call list now. Raises `PortError` while it is not known."""
        dnc, now = self._world.dnc, self._clock.now().wall
        if dnc.detail is not None:
            raise PortError(dnc.detail, retryable=True)
        return frozenset(phone for phone in phones if dnc.match(phone, now) is not None)

    def listed(self, phone: E164) -> DncMatch | None:
        """The entry of the do-not-call list that bars `phone` now. Raises `PortError` while it is not known."""
        dnc = self._world.dnc
        if dnc.detail is not None:
            raise PortError(dnc.detail, retryable=True)
        return dnc.match(phone, self._clock.now().wall)

    def live_call(self, phone: E164) -> CallId | None:
        """The call to a number that is live now."""
        return self._world.numbers.committed.get(phone)

    async def recent_calls(self, phone: E164) -> tuple[Instant, ...]:
        """Starts of the counted calls to a number, as far back as frequency caps look. Raises `PortError`."""
        caps, now = self._world.policy.caps, self._clock.now().wall
        if not caps:
            return ()
        return await self._store.recent_calls(phone, Instant(now - max(window for window, _ in caps)))

    def callee(self, phone: E164, timezone: str | None) -> Callee:
        """What is known of a number's place; `timezone` is what its contact says."""
        return self._world.compliance.callee(phone, timezone)

    def _reasons(self, checks: Iterable[Check]) -> list[dict[str, str | None]]:
        reasons = [check_view(check) for check in checks]
        if self._outage.fault is not None:
            reasons.insert(0, {"reason": "store", "detail": self._outage.fault, "until": None})
        if self.draining:
            reasons.insert(0, {"reason": "daemon", "detail": "shutting down", "until": None})
        return reasons

    @property
    def webhooks(self) -> Mapping[WebhookId, Webhook]:
        """Who is told of events, as committed."""
        return self._world.webhooks.committed

    @property
    def clock_is_trusted(self) -> bool:
        """Whether the wall clock agrees with the monotonic one."""
        return self._world.host.committed[""].clock is None

    @property
    def policy(self) -> Policy:
        """The installation-wide rules of dialing."""
        return self._world.policy

    def status(self) -> EngineStatus:
        """The daemon as it stands."""
        return describe(self._world, self._outage.fault, self.draining, self._clock.now())
