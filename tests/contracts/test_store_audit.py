"""The store's contract for the audit trail: an entry is there exactly if the change that it tells of is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from dialerd.core.clock import Instant
from dialerd.core.dnc import DncEntry
from dialerd.core.errors import InvariantError
from dialerd.core.identity import ScriptId
from dialerd.core.journal import Author, Deed, DncChanged
from dialerd.ports import ApiKey, DeedFilter, Page, Store

from .stores import ALL, START, Place
from .test_store_surface import AGENT, DONE, SCRIPT

EVERY = DeedFilter()
CRM = Author("key_1", "crm", "192.0.2.7")
DEED = Deed(Instant(START), CRM, "campaign.edited", "cmp_1", {"changed": {"name": "नया", "weight": 2}})
KEY = ApiKey("key_1", "", "read", b"d" * 32, Instant(START))

Change = Callable[[Store, Deed], Awaitable[object]]
CHANGES: dict[str, Change] = {
    "turn": lambda store, deed: store.commit([DncChanged(1, (DncEntry("+919876543210"),)), deed]),
    "script": lambda store, deed: store.add_script(SCRIPT, DONE, deed),
    "agent": lambda store, deed: store.add_agent(AGENT, DONE, deed),
    "key": lambda store, deed: store.add_key(KEY, DONE, deed),
}
GONE: dict[str, Change] = {
    "script": lambda store, deed: store.delete_script(ScriptId("s"), Instant(START), deed),
    "agent": lambda store, deed: store.delete_agent("agt_1", deed),
    "agent change": lambda store, deed: store.save_agent(AGENT, deed),
    "key": lambda store, deed: store.revoke_key("key_1", Instant(START), deed),
}


async def told(store: Store, where: DeedFilter = EVERY) -> list[Deed]:
    found, total = await store.deeds(where, ALL)
    assert total == len(found)
    return [one.deed for one in found]


@pytest.mark.parametrize("way", CHANGES)
async def test_a_change_is_stored_with_who_made_it(way: str, place: Place, store: Store) -> None:
    await CHANGES[way](store, DEED)
    store = await place.reopened(store)
    assert await told(store) == [DEED]


@pytest.mark.parametrize("way", CHANGES)
async def test_a_change_that_fails_is_not_told_of(way: str, store: Store) -> None:
    await store.commit([DONE])
    change = CHANGES[way] if way != "turn" else lambda store, deed: store.commit([deed, DONE])
    with pytest.raises(InvariantError):
        await change(store, DEED)
    assert await told(store) == []


@pytest.mark.parametrize("way", GONE)
async def test_a_change_of_what_there_is_not_is_not_told_of(way: str, store: Store) -> None:
    assert not await GONE[way](store, DEED)
    assert await told(store) == []
    await store.add_script(SCRIPT)
    await store.add_agent(AGENT)
    await store.add_key(KEY)
    assert await GONE[way](store, DEED)
    assert await told(store) == [DEED]


async def test_the_trail_is_read_newest_first_by_who_what_and_when(store: Store) -> None:
    other = Author("uid:0", "root", "unix")
    deeds = [
        DEED,
        replace(DEED, at=Instant(START + 1), action="campaign.paused"),
        replace(DEED, at=Instant(START + 2), by=other, object=None, details={}),
        replace(DEED, at=Instant(START + 1), by=Author(), object="cmp_2"),
    ]
    for deed in deeds:
        await store.commit([deed])
    assert await told(store) == deeds[::-1]
    found, total = await store.deeds(EVERY, Page(2, 1))
    assert ([one.deed for one in found], total) == ([deeds[2], deeds[1]], 4)
    assert found[0].id > found[1].id
    asked = {
        DeedFilter(actor="key_1"): [deeds[1], DEED],
        DeedFilter(actor="root"): [deeds[2]],
        DeedFilter(actor="uid:0"): [deeds[2]],
        DeedFilter(action="campaign.paused"): [deeds[1]],
        DeedFilter(object="cmp_2"): [deeds[3]],
        DeedFilter(at_from=Instant(START + 1), at_to=Instant(START + 1)): [deeds[3], deeds[1]],
        DeedFilter(actor="key_1", action="campaign.paused", object="cmp_1"): [deeds[1]],
        DeedFilter(actor="nobody"): [],
    }
    for where, expected in asked.items():
        assert await told(store, where) == expected, where
