"""Transfers as programs ask for them, and recordings as they are heard: what is taken, refused and told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialerd.control.ranges import Span, Unsatisfiable, asked
from dialerd.core.clock import Instant, Millis
from dialerd.core.identity import CallId
from dialerd.core.journal import RecordingDoomed
from dialerd.core.messages import (
    AgentFinished,
    RecordingKept,
    RecordingLost,
    TransferAsked,
    TryEnded,
)
from dialerd.core.model import AgentReport, Recording
from dialerd.core.person import (
    PersonAnswered,
    PersonGone,
    PersonJoined,
)
from dialerd.core.transfer import TransferWish
from dialerd.engine.recordings import RecordingKeeper, inside
from dialerd.engine.settings import RecordingRules
from tests.control.installation import Installation, call_row
from tests.control.test_agents import placed, seen

AUDIO = bytes(range(256)) * 40
SAID = {"target": "support", "warm": True, "reason": "asked", "summary": "wants the loan"}


async def answered(api: httpx.AsyncClient, daemon: Installation, **fields: Any) -> str:
    await daemon.add_script()
    return await placed(api, daemon, script_id="loan", language="en-IN", **fields)


async def test_a_transfer_from_the_wish_to_the_end(api: httpx.AsyncClient, daemon: Installation) -> None:
    await api.post("/v1/webhooks", json={"url": "https://1.1.1.1/hook", "events": ["call.escalated"]})
    ident = await answered(api, daemon)
    asked_for = await api.post(f"/v1/calls/{ident}/transfer", json=SAID)
    assert asked_for.status_code == 200, asked_for.text
    (order,) = daemon.telephony.persons
    assert (order.reason, order.summary, order.ring_timeout) == ("asked", "wants the loan", 25_000)
    shown = asked_for.json()["transfer"]
    assert {key: shown[key] for key in SAID} == SAID
    assert (shown["where"], shown["state"], shown["outcome"]) == ("queue:support", "ringing", None)
    again = await api.post(f"/v1/calls/{ident}/transfer", json=SAID)
    assert (again.status_code, again.json()["state"]) == (409, "transferring")
    daemon.engine.post(PersonAnswered(order.channel))
    daemon.engine.post(PersonJoined(order.channel))
    await seen(api, f"/v1/calls/{ident}", lambda call: call["transfer"]["state"] == "connected")
    third = await api.post(f"/v1/calls/{ident}/transfer")
    assert (third.status_code, third.json()["state"]) == (409, "transferred")
    daemon.engine.post(PersonGone(order.channel, 16))
    daemon.engine.post(TryEnded(daemon.telephony.originated[-1].channel, 16))
    over = await seen(api, f"/v1/calls/{ident}", lambda call: call["status"] == "completed")
    assert (over["disposition"], over["transfer"]["outcome"]) == ("escalated", "answered")
    late = await api.post(f"/v1/calls/{ident}/transfer", json=SAID)
    assert (late.status_code, late.json()["state"]) == (409, "completed")
    (told,) = [row for row in daemon.store.disk.deliveries.values() if row.event == "call.escalated"]
    assert '"summary":"wants the loan"' in told.body
    deeds = (await api.get("/v1/audit?action=call.transferred")).json()["data"]
    assert [(deed["object"], deed["details"]) for deed in deeds] == [(ident, {"target": "support"})]


@pytest.mark.parametrize(
    "target",
    [
        "nobody",
        "+919876543210",
        "extension:100@internal",
        "endpoint:lab",
        "queue:a&b",
        "PJSIP/x@lab",
        "Local/100@internal",
        "endpoint:a\nb",
        "",
        7,
    ],
)
async def test_what_is_no_target_is_refused_by_name(
    api: httpx.AsyncClient, daemon: Installation, target: object
) -> None:
    ident = await answered(api, daemon)
    refused = await api.post(f"/v1/calls/{ident}/transfer", json={"target": target})
    assert refused.status_code == 422
    assert {fault["loc"] for fault in refused.json()["errors"]} == {"target"}
    assert daemon.telephony.persons == []


async def test_every_fault_is_told_at_once(api: httpx.AsyncClient, daemon: Installation) -> None:
    ident = await answered(api, daemon)
    wrong = {
        "target": "nobody",
        "warm": "yes",
        "summary": "x" * 1_001,
        "timeout_seconds": 0,
        "trigger": "mood",
        "phone": "+919876543210",
    }
    refused = await api.post(f"/v1/calls/{ident}/transfer", json=wrong)
    assert {fault["loc"] for fault in refused.json()["errors"]} == set(wrong)
    assert (await api.post("/v1/calls/cal_none/transfer", json=SAID)).status_code == 404


async def test_without_a_target_the_calls_default_is_used(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    ident = await answered(api, daemon, transfer_target="desk")
    shown = (await api.post(f"/v1/calls/{ident}/transfer")).json()["transfer"]
    assert (shown["target"], shown["where"]) == ("desk", "extension:100@internal")


async def test_an_agents_default_is_its_calls_and_a_request_comes_first(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await daemon.add_script()
    agent = {"agent_id": "priya", "agent_name": "Priya", "language": "en-IN", "script_id": "loan"}
    bad = await api.post("/v1/agents", json={**agent, "transfer_target": "nobody"})
    assert [fault["loc"] for fault in bad.json()["errors"]] == ["transfer_target"]
    made = await api.post("/v1/agents", json={**agent, "transfer_target": "desk", "recording": True})
    assert (made.json()["transfer_target"], made.json()["recording"]) == ("desk", True)
    edited = (await api.patch("/v1/agents/priya", json={"recording": None})).json()
    assert (edited["transfer_target"], edited["recording"]) == ("desk", None)
    await api.patch("/v1/agents/priya", json={"recording": True})
    contacts = [{"phone": "+919876543210", "loan_amount": 1}]
    campaign = {"name": "x", "agent_id": "priya", "language": "en-IN", "contacts": contacts}
    created = (await api.post("/v1/campaigns", json=campaign)).json()
    assert (created["transfer_target"], created["recording"]) == ("desk", True)
    other = (
        await api.post("/v1/campaigns", json={**campaign, "transfer_target": "support", "recording": False})
    ).json()
    assert (other["transfer_target"], other["recording"]) == ("support", False)
    path = f"/v1/campaigns/{other['campaign_id']}"
    changed = await api.patch(path, json={"transfer_target": None, "recording": True})
    assert (changed.json()["transfer_target"], changed.json()["recording"]) == (None, True)
    wrong = await api.patch(path, json={"transfer_target": "nobody"})
    assert [fault["loc"] for fault in wrong.json()["errors"]] == ["transfer_target"]


async def test_an_agent_is_told_that_nobody_came(api: httpx.AsyncClient, daemon: Installation) -> None:
    ident = await answered(api, daemon)
    told: list[tuple[str, str]] = []
    daemon.media.transfer_failed = lambda call, reason: told.append((call, reason))  # type: ignore[method-assign]
    daemon.engine.post(TransferAsked(CallId(ident), TransferWish("nobody"), 1))
    await seen(api, f"/v1/calls/{ident}", lambda call: call["transfer"] is not None)
    assert told == [(ident, "no_target")]


# --- recordings -----------------------------------------------------------------------------------


def keep(daemon: Installation, ident: str, audio: bytes = AUDIO) -> Path:
    """A recording that the worker has made."""
    name = f"2026/01/15/{ident}.wav"
    path = daemon.spool.parent / "recordings" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(audio)
    daemon.engine.post(RecordingKept(CallId(ident), Recording(name, len(audio), Millis(1_500))))
    return path


async def recorded(api: httpx.AsyncClient, daemon: Installation) -> tuple[str, Path]:
    ident = await answered(api, daemon, recording=True)
    assert daemon.media.attached[-1].record
    path = keep(daemon, ident)
    await seen(api, f"/v1/calls/{ident}", lambda call: call["recording_url"] is not None)
    return ident, path


async def test_a_recording_is_told_of_and_heard_whole_and_in_parts(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await api.post("/v1/webhooks", json={"url": "https://1.1.1.1/h", "events": ["call.recording_ready"]})
    ident, _ = await recorded(api, daemon)
    shown = (await api.get(f"/v1/calls/{ident}")).json()
    assert shown["recording"] == {"bytes": len(AUDIO), "duration_seconds": 1.5}
    url = shown["recording_url"]
    whole = await api.get(url)
    assert (whole.status_code, whole.content) == (200, AUDIO)
    assert (whole.headers["content-type"], whole.headers["accept-ranges"]) == ("audio/wav", "bytes")
    part = await api.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, AUDIO[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(AUDIO)}"
    last = await api.get(url, headers={"Range": "bytes=-10", "If-Range": whole.headers["etag"]})
    assert (last.status_code, last.content) == (206, AUDIO[-10:])
    stale = await api.get(url, headers={"Range": "bytes=-10", "If-Range": '"other"'})
    assert (stale.status_code, stale.content) == (200, AUDIO)
    beyond = await api.get(url, headers={"Range": f"bytes={len(AUDIO)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(AUDIO)}")
    assert beyond.json()["type"] == "urn:dialerd:problem:unsatisfiable-range"
    same = await api.get(url, headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    (told,) = [row for row in daemon.store.disk.deliveries.values() if row.event == "call.recording_ready"]
    assert f'"recording_url":"{url}"' in told.body


async def test_a_recording_is_deleted_on_request_with_its_file(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    ident, path = await recorded(api, daemon)
    assert (await api.delete(f"/v1/calls/{ident}/recording")).status_code == 204
    gone = await api.get(f"/v1/calls/{ident}/recording")
    assert (gone.status_code, gone.json()["type"]) == (404, "urn:dialerd:problem:no-recording")
    assert (await api.delete(f"/v1/calls/{ident}/recording")).status_code == 404
    assert (await api.get(f"/v1/calls/{ident}")).json()["recording_url"] is None
    await daemon.service.upkeep.look()
    assert not path.exists()
    assert not path.parent.exists(), "nor is its day left"
    assert path.parents[3].name == "recordings"
    deeds = (await api.get("/v1/audit?action=call.recording_deleted")).json()["data"]
    assert [deed["object"] for deed in deeds] == [ident]


async def test_a_recording_that_is_deleted_while_it_grows_goes_once_it_is_whole(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await api.post("/v1/webhooks", json={"url": "https://1.1.1.1/h", "events": ["call.recording_ready"]})
    ident = await answered(api, daemon, recording=True)
    assert (await api.delete(f"/v1/calls/{ident}/recording")).status_code == 204
    assert (await api.delete(f"/v1/calls/{ident}/recording")).status_code == 404
    daemon.engine.post(TryEnded(daemon.telephony.originated[-1].channel, 16))
    daemon.engine.post(AgentFinished(CallId(ident), AgentReport("interested")))
    path = keep(daemon, ident)
    await seen(api, f"/v1/calls/{ident}", lambda call: call["status"] == "completed")
    async with asyncio.timeout(20):
        while path.exists():
            await daemon.service.upkeep.look()
            await asyncio.sleep(0.01)
    assert (await api.get(f"/v1/calls/{ident}")).json()["recording_url"] is None
    assert not list(daemon.store.disk.deliveries.values()), "nobody is told that it can be had"


async def test_a_call_that_is_not_recorded_has_nothing_to_delete(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    ident = await answered(api, daemon)
    assert (await api.delete(f"/v1/calls/{ident}/recording")).status_code == 404


async def test_a_recording_is_looked_at_without_its_audio(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    ident, _ = await recorded(api, daemon)
    url = f"/v1/calls/{ident}/recording"
    whole = await api.get(url)
    head = await api.head(url, headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "accept-ranges", "content-disposition"):
        assert head.headers[name] == whole.headers[name]
    for method in ("GET", "HEAD"):
        for tag in ("*", f'"x", {whole.headers["etag"]}'):
            same = await api.request(method, url, headers={"If-None-Match": tag})
            assert (same.status_code, same.content) == (304, b"")
    assert (await api.head("/v1/calls/cal_0123456789ab/recording")).status_code == 404


async def test_a_person_is_erased_with_what_it_said(api: httpx.AsyncClient, daemon: Installation) -> None:
    ident, path = await recorded(api, daemon)
    daemon.engine.post(TryEnded(daemon.telephony.originated[-1].channel, 16))
    daemon.engine.post(AgentFinished(CallId(ident), AgentReport("interested")))
    over = await seen(api, f"/v1/calls/{ident}", lambda call: call["status"] == "completed")
    phone = over["contact"]["phone"]
    assert (await api.delete(f"/v1/contacts/{phone}")).status_code in (200, 202, 204)
    async with asyncio.timeout(20):
        while path.exists():
            await daemon.service.upkeep.look()
            await asyncio.sleep(0.05)
    assert (await api.get(f"/v1/calls/{ident}")).json()["recording_url"] is None


async def test_a_recording_whose_call_was_erased_meanwhile_is_deleted(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    path = keep(daemon, "cal_00000000beef")
    async with asyncio.timeout(10):
        while path.exists():
            await daemon.service.upkeep.look()
            await asyncio.sleep(0.01)


async def test_a_recording_that_came_to_nothing_is_told(api: httpx.AsyncClient, daemon: Installation) -> None:
    ident = await answered(api, daemon, recording=True)
    daemon.engine.post(RecordingLost(CallId(ident), "No space left on device"))
    await asyncio.sleep(0.01)
    assert (await api.get(f"/v1/calls/{ident}")).json()["recording_url"] is None


async def test_what_is_too_old_or_too_much_goes_oldest_first(
    api: httpx.AsyncClient, daemon: Installation, tmp_path: Path
) -> None:
    ident, path = await recorded(api, daemon)
    for rules, stays in (
        (RecordingRules(path.parents[3], Millis(60_000), len(AUDIO)), True),
        (RecordingRules(path.parents[3], None, len(AUDIO) - 1), False),
    ):
        keeper = RecordingKeeper(daemon.store, daemon.clock, rules)
        await keeper.step(by_age=True)()
        assert await keeper.delete_files()
        assert path.exists() is stays
    assert (await api.get(f"/v1/calls/{ident}")).json()["recording_url"] is None
    other = keep(daemon, ident)
    await seen(api, f"/v1/calls/{ident}", lambda call: call["recording_url"] is not None)
    daemon.clock.shift = 120_000
    keeper = RecordingKeeper(daemon.store, daemon.clock, RecordingRules(path.parents[3], Millis(60_000)))
    await keeper.step(by_age=False)()
    assert await keeper.delete_files()
    assert other.exists(), "not by a clock that cannot be believed"
    await keeper.step(by_age=True)()
    assert await keeper.delete_files()
    assert not other.exists()


async def test_a_file_that_cannot_be_deleted_is_tried_again(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    ident, path = await recorded(api, daemon)
    path.unlink()
    (path / "something").mkdir(parents=True)
    await daemon.store.commit([RecordingDoomed(CallId(ident), Instant(1))])
    keeper = RecordingKeeper(daemon.store, daemon.clock, RecordingRules(path.parents[3]))
    assert not await keeper.delete_files()
    (path / "something").rmdir()
    path.rmdir()
    assert await keeper.delete_files()
    assert await daemon.store.doomed_files(10) == []


async def test_a_recording_whose_file_is_gone_is_not_found(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    ident, path = await recorded(api, daemon)
    path.unlink()
    gone = await api.get(f"/v1/calls/{ident}/recording")
    assert (gone.status_code, "file is gone" in gone.json()["detail"]) == (404, True)
    daemon.store.rows.append(call_row())
    assert (await api.get("/v1/calls/cal_0123456789ab/recording")).status_code == 404


@pytest.mark.parametrize("name", ["../key-secret", "/etc/passwd", "a/../../b", ""])
def test_no_path_leads_out_of_the_folder(name: str) -> None:
    assert inside(Path("/var/lib/dialerd/recordings"), name) is None


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-0", Span(0, 1)),
        ("bytes=5-", Span(5, 100)),
        ("bytes=5-1000", Span(5, 100)),
        ("bytes=-5", Span(95, 100)),
        ("bytes=-500", Span(0, 100)),
        ("bytes=5-4", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("bytes=x", None),
    ],
)
def test_ranges_are_read_as_the_standard_says(header: str | None, span: Span | None) -> None:
    assert asked(header, 100) == span


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=200-300", "bytes=-0"])
def test_a_range_of_nothing_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        asked(header, 100)
