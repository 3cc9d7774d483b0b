"""The stores under contract, and records to put into them.

To add a store: a subclass of `Place`, its name in `STORES`, and a line in `place_of`.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dialerd.core.clock import Instant, Millis, Mono
from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import Reason
from dialerd.core.identity import E164, CallId, CampaignId, ChannelId, ScriptId, TrunkName
from dialerd.core.journal import CallOpened, CampaignAdmitted, ContactSaved, Entry, TryOpened
from dialerd.core.model import Call, CallStatus, Campaign, ClosedCall, Try, TryState
from dialerd.ports import NewContact, Page, Store
from dialerd.sim.disk import FakeDisk
from dialerd.sim.store import FakeStore
from dialerd.store.postgres import PostgresStore
from dialerd.store.postgres_access import Access
from dialerd.store.sqlite import SqliteStore
from tests.core.world_builder import CMP, START, campaign
from tests.postgres import Server

ALL = Page(1_000, 0)


class Place(ABC):
    """Where stores live: each store opened in one place finds what the one before has left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.given: list[Store] = []

    def store(self, instance: str = "d1") -> Store:
        """A store that is not open yet."""
        made = self.make(instance)
        self.given.append(made)
        return made

    @abstractmethod
    def make(self, instance: str) -> Store: ...

    async def opened(self, instance: str = "d1") -> Store:
        store = self.store(instance)
        await store.open()
        return store

    async def reopened(self, store: Store) -> Store:
        """The daemon is restarted."""
        await store.close()
        return await self.opened()

    async def close(self) -> None:
        for store in self.given:
            await store.close()


class FakePlace(Place):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.disk = FakeDisk()

    def make(self, instance: str) -> Store:
        return FakeStore(instance, self.disk)


class SqlitePlace(Place):
    def __init__(self, folder: Path, migrated: Path) -> None:
        super().__init__(folder)
        self.path = folder / "dialerd.db"
        shutil.copy(migrated, self.path)

    def make(self, instance: str) -> Store:
        return SqliteStore(self.path, instance)


class PostgresPlace(Place):
    def __init__(self, folder: Path, server: Server) -> None:
        super().__init__(folder)
        self.server = server
        self.url = server.database()

    def make(self, instance: str) -> Store:
        return PostgresStore(Access(self.url), instance)

    async def close(self) -> None:
        await super().close()
        self.server.give_back(self.url)


STORES = ("fake", "sqlite", "postgres")


def place_of(name: str, folder: Path, request: pytest.FixtureRequest) -> Place:
    """An empty place for stores of this kind."""
    if name == "postgres":
        return PostgresPlace(folder, request.getfixturevalue("postgres"))
    if name == "sqlite":
        return SqlitePlace(folder, request.getfixturevalue("migrated"))
    return FakePlace(folder)


def person(number: int, **changes: object) -> NewContact:
    plain = NewContact(E164(f"+9198765{number:05d}"), f"Person {number}", None, None, {"due": "१०"})
    return replace(plain, **changes)  # type: ignore[arg-type]


async def admitted(store: Store, people: Sequence[NewContact], new: Campaign | None = None) -> list[Contact]:
    """Admit a campaign with `people`; its contacts in list order."""
    made = new if new is not None else campaign()
    import_id = await store.begin_import(made.id)
    for first in range(0, len(people), 500):
        await store.add_contacts(import_id, made.id, people[first : first + 500])
    await store.commit([CampaignAdmitted(made, import_id)])
    contacts, _ = await store.contacts(made.id, Page(100_000, 0))
    return list(contacts)


def first_try(call: CallId, number: int = 1) -> Try:
    return Try(
        channel=ChannelId(f"d1-{call}-{number}"),
        number=number,
        trunk=TrunkName("lab"),
        caller_id=E164("+15550100100"),
        state=TryState.OPEN,
        boot="boot-1",
        opened_at=START,
    )


def dialing(contact: Contact) -> Contact:
    return replace(
        contact, state=ContactState.DIALING, attempts=contact.attempts + 1, turns=contact.turns + 1
    )


def attempt(contact: Contact | None, number: int = 1, **changes: object) -> Call:
    """A call with one open try; its contact is dialing."""
    ident = CallId(f"cal_{number:012x}")
    plain = Call(
        id=ident,
        phone=contact.phone if contact is not None else E164("+919876500000"),
        language="en-IN",
        script_id=ScriptId("s"),
        script_version=1,
        attempt=1,
        tries=(first_try(ident),),
        started_at=Instant(START + number),
        deadline=Mono(0),
        campaign_id=contact.campaign_id if contact is not None else None,
        contact=dialing(contact) if contact is not None else None,
        gate={"at": "2023-11-15T03:43:20+05:30", "rules": {"window": "open"}},
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def opening(call: Call) -> list[Entry]:
    """The entries with which a turn opens a call."""
    entries: list[Entry] = [CallOpened(replace(call, tries=()))]
    entries += [TryOpened(call.id, made) for made in call.tries]
    if call.contact is not None:
        entries.append(ContactSaved(call.contact))
    return entries


def ending(call: Call, **changes: object) -> ClosedCall:
    plain = ClosedCall(
        id=call.id,
        status=CallStatus.FAILED,
        disposition="not_reachable",
        reason=Reason.BUSY,
        counted=True,
        ended_at=Instant(call.started_at + 4_000),
        duration=Millis(0),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def another_campaign(number: int, **changes: object) -> Campaign:
    return campaign(id=CampaignId(f"cmp_{number:012x}"), created_at=Instant(START + number), **changes)


__all__ = [
    "ALL",
    "CMP",
    "START",
    "STORES",
    "Place",
    "admitted",
    "another_campaign",
    "attempt",
    "campaign",
    "dialing",
    "ending",
    "first_try",
    "opening",
    "person",
    "place_of",
]
