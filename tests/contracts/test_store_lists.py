"""The store's contract for what people list: newest first, filtered and paged; scripts and API keys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialerd.core.clock import Instant
from dialerd.core.errors import InvariantError
from dialerd.core.identity import CampaignId, ScriptId
from dialerd.core.journal import CallClosed, CountersMoved, TryOpened
from dialerd.core.model import CampaignStatus
from dialerd.ports import ApiKey, CallFilter, CampaignFilter, Page, Script, Store

from .stores import (
    ALL,
    CMP,
    START,
    Place,
    admitted,
    another_campaign,
    attempt,
    ending,
    first_try,
    opening,
    person,
)

# --- campaigns -----------------------------------------------------------------------------------


async def listed(store: Store, where: CampaignFilter, page: Page = ALL) -> tuple[list[int], int]:
    found, total = await store.campaigns(where, page)
    return [campaign.created_at - START for campaign, _ in found], total


async def test_campaigns_are_listed_newest_first_with_their_counters(store: Store) -> None:
    for number in (2, 1, 3):
        await admitted(store, [person(1)], another_campaign(number))
    await store.commit([CountersMoved(CampaignId("cmp_000000000002"), {"total": 1, "called": 1})])
    found, total = await store.campaigns(CampaignFilter(), ALL)
    assert [campaign.id[-1] for campaign, _ in found] == ["3", "2", "1"]
    assert [dict(counters) for _, counters in found] == [{}, {"total": 1, "called": 1}, {}]
    assert total == 3
    assert await listed(store, CampaignFilter(), Page(1, 1)) == ([2], 3)
    assert await listed(store, CampaignFilter(), Page(1, 3)) == ([], 3)


async def test_campaigns_of_the_same_instant_have_an_order(store: Store) -> None:
    for number in (1, 3, 2):
        await admitted(store, [], replace(another_campaign(number), created_at=START))
    found, _ = await store.campaigns(CampaignFilter(), ALL)
    assert [campaign.id[-1] for campaign, _ in found] == ["3", "2", "1"]


async def test_campaigns_are_filtered(store: Store) -> None:
    for number in range(1, 6):
        status = CampaignStatus.PAUSED if number % 2 else CampaignStatus.COMPLETED
        await admitted(store, [], another_campaign(number, status=status))
    assert await listed(store, CampaignFilter(status=CampaignStatus.PAUSED)) == ([5, 3, 1], 3)
    first, end = Instant(START + 2), Instant(START + 3)
    assert await listed(store, CampaignFilter(created_from=first)) == ([5, 4, 3, 2], 4)
    assert await listed(store, CampaignFilter(created_to=end)) == ([3, 2, 1], 3)
    every = CampaignFilter(CampaignStatus.PAUSED, first, end)
    assert await listed(store, every) == ([3], 1)


# --- calls ---------------------------------------------------------------------------------------


async def called(store: Store, where: CallFilter, page: Page = ALL) -> tuple[list[int], int]:
    found, total = await store.calls(where, page)
    return [int(row.id.removeprefix("cal_"), 16) for row in found], total


async def test_calls_are_listed_newest_first_each_with_its_own_tries(store: Store) -> None:
    for number in (1, 2, 3):
        await store.commit(opening(attempt(None, number)))
    second = attempt(None, 2).id
    await store.commit([TryOpened(second, first_try(second, 2))])
    assert await called(store, CallFilter()) == ([3, 2, 1], 3)
    assert await called(store, CallFilter(), Page(2, 1)) == ([2, 1], 3)
    assert await called(store, CallFilter(), Page(2, 9)) == ([], 3)
    found, _ = await store.calls(CallFilter(), ALL)
    assert [[made.number for made in row.tries] for row in found] == [[1], [1, 2], [1]]
    assert {made.channel for row in found for made in row.tries} == {
        f"d1-cal_{number:012x}-{made}" for number, made in ((1, 1), (2, 1), (2, 2), (3, 1))
    }


async def test_calls_are_filtered(store: Store) -> None:
    one, two = await admitted(store, [person(1), person(2)])
    calls = [
        attempt(one, 1),
        attempt(two, 2, language="ta-IN"),
        attempt(one, 3, language="ta-IN"),
        attempt(None, 4),
    ]
    for call in calls:
        await store.commit(opening(call))
    await store.commit([CallClosed(calls[0], ending(calls[0]))])
    await store.commit([CallClosed(calls[2], ending(calls[2], disposition="paid"))])
    assert await called(store, CallFilter(campaign=CMP)) == ([3, 2, 1], 3)
    assert await called(store, CallFilter(campaign=CampaignId("cmp_none"))) == ([], 0)
    assert await called(store, CallFilter(phone=one.phone)) == ([3, 1], 2)
    assert await called(store, CallFilter(language="ta-IN")) == ([3, 2], 2)
    assert await called(store, CallFilter(disposition="paid")) == ([3], 1)
    assert await called(store, CallFilter(disposition="not_reachable")) == ([1], 1)
    first, end = Instant(START + 2), Instant(START + 3)
    assert await called(store, CallFilter(started_from=first)) == ([4, 3, 2], 3)
    assert await called(store, CallFilter(started_to=end)) == ([3, 2, 1], 3)
    every = CallFilter(CMP, first, end, "paid", "ta-IN", one.phone)
    assert await called(store, every) == ([3], 1)


async def test_what_is_asked_for_with_a_nul_is_nowhere(store: Store) -> None:
    (contact,) = await admitted(store, [person(1)])
    await store.commit(opening(attempt(contact)))
    assert await called(store, CallFilter(disposition="paid\0")) == ([], 0)
    assert await called(store, CallFilter(phone=contact.phone + "\0")) == ([], 0)
    assert await store.campaign(CampaignId(CMP + "\0")) is None
    assert await store.script(ScriptId("s\0")) is None
    assert await store.dnc_entry(contact.phone + "\0") is None


# --- scripts -------------------------------------------------------------------------------------


def script(ident: str = "s", version: int = 1, created: int = 0) -> Script:
    return Script(
        id=ScriptId(ident),
        version=version,
        name=f"{ident} {version}",
        languages=("hi-IN", "en-IN"),
        variables={"name": {}, "due": {"default": "०"}},
        body={"turns": [{"say": {"hi-IN": "नमस्ते"}}], "version": version},
        source="say: नमस्ते\n",
        created_at=Instant(START + created),
    )


async def test_scripts_come_back_by_version(place: Place, store: Store) -> None:
    await store.add_script(script(version=1))
    await store.add_script(script(version=2, created=1))
    store = await place.reopened(store)
    assert await store.script(ScriptId("s")) == script(version=2, created=1)
    assert await store.script(ScriptId("s"), 1) == script(version=1)
    assert await store.script(ScriptId("s"), 3) is None
    assert await store.script(ScriptId("none")) is None


async def test_a_version_is_stored_once(store: Store) -> None:
    await store.add_script(script())
    with pytest.raises(InvariantError):
        await store.add_script(replace(script(), name="other"))
    assert await store.script(ScriptId("s")) == script()


async def test_a_script_or_a_contact_with_a_nul_is_refused(store: Store) -> None:
    with pytest.raises(InvariantError):
        await store.add_script(replace(script(), name="a\0b"))
    assert await store.scripts(ALL) == ([], 0)
    import_id = await store.begin_import(CMP)
    with pytest.raises(InvariantError):
        await store.add_contacts(import_id, CMP, [person(1), person(2, name="a\0b")])
    assert await store.add_contacts(import_id, CMP, [person(1), person(2)]) == 2


async def test_scripts_are_listed_by_their_newest_version(store: Store) -> None:
    assert await store.scripts(ALL) == ([], 0)
    for ident, version, created in (("a", 1, 1), ("b", 1, 2), ("c", 1, 3), ("a", 2, 4), ("c", 10, 5)):
        await store.add_script(script(ident, version, created))
    found, total = await store.scripts(ALL)
    assert ([(item.id, item.version) for item in found], total) == ([("c", 10), ("a", 2), ("b", 1)], 3)
    found, total = await store.scripts(Page(1, 1))
    assert ([item.id for item in found], total) == (["a"], 3)


# --- keys ----------------------------------------------------------------------------------------


def key(number: int) -> ApiKey:
    return ApiKey(f"key_{number}", f"key {number}", "write", bytes([number]) * 32, Instant(START + number))


async def test_keys_are_found_by_digest_until_they_are_revoked(place: Place, store: Store) -> None:
    await store.add_key(key(1))
    await store.add_key(key(2))
    store = await place.reopened(store)
    assert await store.key_by_digest(key(1).digest) == key(1)
    assert await store.key_by_digest(b"none") is None
    assert await store.revoke_key("key_1", Instant(START + 9))
    assert await store.key_by_digest(key(1).digest) is None
    assert await store.key_by_digest(key(2).digest) == key(2)
    assert list(await store.keys()) == [key(2), replace(key(1), revoked_at=Instant(START + 9))]


async def test_a_key_is_revoked_once_and_a_strange_one_never(store: Store) -> None:
    await store.add_key(key(1))
    assert await store.revoke_key("key_1", Instant(START + 8))
    assert await store.revoke_key("key_1", Instant(START + 9))
    assert [found.revoked_at for found in await store.keys()] == [START + 8]
    assert not await store.revoke_key("key_none", Instant(START))


async def test_neither_id_nor_digest_of_a_key_is_stored_twice(store: Store) -> None:
    await store.add_key(key(1))
    for twin in (replace(key(2), id="key_1"), replace(key(2), digest=key(1).digest)):
        with pytest.raises(InvariantError):
            await store.add_key(twin)
    assert list(await store.keys()) == [key(1)]
