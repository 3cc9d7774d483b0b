"""What the control plane may ask of the daemon: one part for each noun of the API, in the API's terms.

Answers are API objects (plain dicts, `dialerd.engine.views`); refusals are `RequestError`, a store or a port
that is out is `PortError`. Commands go through the engine's mailbox; queries read committed state only.
"""

from __future__ import annotations

from dialerd.engine.admission import Admission
from dialerd.engine.agents import Agents
from dialerd.engine.calls import Calls
from dialerd.engine.campaigns import Campaigns
from dialerd.engine.case import Forecaster
from dialerd.engine.contactlist import ContactIntake
from dialerd.engine.contacts import Contacts
from dialerd.engine.courier import Courier
from dialerd.engine.deeds import AuditTrail
from dialerd.engine.dnc import DoNotCall
from dialerd.engine.doubts import Doubts
from dialerd.engine.feed import Feed
from dialerd.engine.files import Files
from dialerd.engine.forecasts import Forecasts
from dialerd.engine.keys import Keys
from dialerd.engine.loading import Loader
from dialerd.engine.operation import Operation
from dialerd.engine.recordings import RecordingKeeper, Recordings
from dialerd.engine.reports import Reports
from dialerd.engine.requests import Requests
from dialerd.engine.runtime import Engine
from dialerd.engine.scripts import ScriptParser, Scripts
from dialerd.engine.settings import ServiceSettings
from dialerd.engine.tally import Tally
from dialerd.engine.twilio import TwilioCalls, Way
from dialerd.engine.upkeep import Upkeep
from dialerd.engine.voices import Voices
from dialerd.engine.webhooks import Hooks
from dialerd.ports import Clock, Exports, Media, Store, Webhooks


def keeper(store: Store, clock: Clock, settings: ServiceSettings) -> RecordingKeeper | None:
    """Who deletes recordings, where there are any."""
    return None if settings.recordings is None else RecordingKeeper(store, clock, settings.recordings)


class Service:
    """The daemon, as the control plane sees it."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        media: Media,
        clock: Clock,
        settings: ServiceSettings,
        intake: ContactIntake,
        parse_script: ScriptParser,
        feed: Feed,
        tally: Tally,
        forecaster: Forecaster,
        courier: Courier,
        webhooks: Webhooks,
        exports: Exports | None = None,
        way: Way | None = None,
    ) -> None:
        """`exports`: who reads the files of campaigns; None: the store itself.

        `way`: to addresses that calls in Twilio's terms bring; None: none are placed.
        """
        self.upkeep = Upkeep(
            store, clock, engine.memory.policy, engine, settings.retention, keeper(store, clock, settings)
        )
        self.scripts = Scripts(engine, store, media, clock, parse_script)
        doubts = Doubts(store, settings)
        self.agents = Agents(engine, store, clock, settings, self.scripts, doubts)
        loader = Loader(engine, store, clock)
        admission = Admission(self.scripts, self.agents, loader, clock, settings, intake, doubts)
        self.campaigns = Campaigns(engine, store, clock, settings, admission, self.upkeep, doubts)
        self.contacts = Contacts(engine, store, clock, self.upkeep)
        self.files = Files(self.campaigns, exports or store)
        self.calls = Calls(engine, store, clock, self.agents, settings, intake, doubts)
        self.twilio = TwilioCalls(engine, store, clock, settings, intake, media, way)
        self.recordings = Recordings(engine, store, settings, self.upkeep)
        self.voices = Voices(engine, settings, self.scripts)
        self.requests = Requests(store, clock)
        self.reports = Reports(engine, store, clock)
        self.dnc = DoNotCall(engine, store, clock, intake)
        self.forecasts = Forecasts(engine, store, clock, settings, self.agents, intake, forecaster)
        self.keys = Keys(store, clock)
        self.audit = AuditTrail(store)
        self.feed = feed
        self.tally = tally
        self.webhooks = Hooks(engine, store, clock, courier, webhooks)
        self.operation = Operation(engine, store, media, settings, self.webhooks)
