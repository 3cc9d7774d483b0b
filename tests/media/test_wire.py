"""What daemon and worker say to each other, and the outcomes that must not get lost between them."""

from __future__ import annotations

import contextlib
import stat
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import Unmet
from dialerd.core.disposition import Reason
from dialerd.core.effects import PrepareMedia
from dialerd.core.engine import StandIn
from dialerd.core.identity import CampaignId
from dialerd.core.model import AgentReport, OnMachine, Recording
from dialerd.core.transfer import TransferTrigger, TransferWish
from dialerd.media import wire
from dialerd.media.outbox import KEPT, Outbox
from tests.media.fake_agent import DNC, call_id, order

WISH = TransferWish("support", True, "gefragt", "ऋण", Millis(9_000), TransferTrigger.MAX_DURATION)
TO_WORKER: list[wire.ToWorker] = [
    wire.Prepare(1, "offer", 2, "hi-IN", {"name": "ऋण", "keys": {"1": {"positive": True}}}),
    wire.Prepare(1, "offer", 2, "hi-IN", {"name": "x"}, "male"),
    wire.Attach("cal_1", "lab-cal_1-1", "offer", 2, "hi-IN", "+15550100100", "प्रिया", {"amount": 1.5}, 0.25),
    wire.Attach("cal_1", "lab-cal_1-1", "offer", 2, "hi-IN", "+15550100100", None, {}),
    wire.Attach("cal_1", "lab-cal_1-1", "offer", 2, "hi-IN", "+15550100100", None, {}, 0.0, "male"),
    wire.Attach("cal_1", "lab-cal_1-1", "offer", 2, "hi-IN", "+15550100100", None, {}, record=True),
    wire.Limits(7, 0.0, 12.5),
    wire.Attach("cal_1", "lab-cal_1-1", "", 0, "hi-IN", "+15550100100", None, {}, labels={"site_visit": True}),
    wire.Expect("cal_1", "lab-cal_1-1", "bot"),
    wire.Expect.of(PrepareMedia(call_id(), order().channel, answer=order(name="प्रिया", variables={"amount": 1.5}))),
    wire.Detach("cal_1"),
    wire.TransferFailed("cal_1", "busy"),
    wire.CallbackUnmet("cal_1", Instant(5), Unmet("too late", None, Instant(4))),
    wire.Hold("cal_1", warm=True),
    wire.Acknowledge(7),
    wire.Ping(),
    wire.Leave(hang_up=True),
]  # fmt: skip
TO_DAEMON: list[wire.ToDaemon] = [
    wire.Hello(wire.VERSION, ("cal_1", "cal_2")),
    wire.Ready(0, "espeak-ng is not installed"),
    wire.Prepared(1, "nobody speaks it", refused=True),
    wire.Heard("cal_1"),
    wire.Reported("cal_1", DNC, 3),
    wire.Ended("cal_1", AgentReport("paid", True, {"amount": 5}, ({"speaker": "agent", "text": "हाँ"},)), number=4),
    wire.TransferAsked("cal_1", WISH, 1, 6),
    wire.Recorded("cal_1", Recording("2026/01/15/cal_1.wav", 1_000, Millis(9)), 7),
    wire.Unrecorded("cal_1", "No space left on device", 8),
    wire.Ended("cal_1", AgentReport(), Reason.DROPPED, "lost", 5),
    wire.Forgone("cal_1"),
    wire.Pong(0.25),
    wire.Ready(0, "its event loop is late", late=True),
]  # fmt: skip


@pytest.mark.parametrize("message", TO_WORKER, ids=lambda message: message.kind)
def test_what_the_daemon_says_arrives(message: wire.ToWorker) -> None:
    line = wire.encode(message)
    assert line.count(b"\n") == 1
    assert wire.read_for_worker(line) == message


@pytest.mark.parametrize("message", TO_DAEMON, ids=lambda message: message.kind)
def test_what_the_worker_says_arrives(message: wire.ToDaemon) -> None:
    line = wire.encode(message)
    assert line.count(b"\n") == 1
    assert wire.read_for_daemon(line) == message


def test_a_wish_is_kept_until_it_was_heard_and_a_recording_is_told_of_after_the_end() -> None:
    outbox = Outbox()
    outbox.put(wire.Reported("cal_1", DNC))
    outbox.put(wire.TransferAsked("cal_1", TransferWish("a"), 1))
    outbox.put(wire.Reported("cal_1", DNC))
    outbox.put(wire.TransferAsked("cal_1", WISH, 2))
    assert [(type(m), m.number) for m in outbox] == [(wire.Reported, 3), (wire.TransferAsked, 4)]
    outbox.put(wire.Ended("cal_1", DNC))
    outbox.put(wire.Recorded("cal_1", Recording("x", 1, Millis(1))))
    assert [type(message) for message in outbox] == [wire.Ended, wire.Recorded]
    assert outbox.calls == {"cal_1"}
    outbox.acknowledge(5, 0.0)
    outbox.forget(KEPT)
    assert outbox.calls == frozenset(), "a recording holds no call"
    assert [type(message) for message in outbox] == [wire.Recorded]


def test_every_field_of_an_order_arrives_as_the_core_says_it() -> None:
    said = order(
        name="Priya",
        variables={"amount": 5},
        voice="male",
        zone="Asia/Kolkata",
        engine="bot",
        agent_id="priya",
        campaign_id=CampaignId("cmp_000000000001"),
        caller_id="+15550100199",
        external_id="crm-1",
        stand_ins=(StandIn("helper", "embedded", "s", 3, "en-IN", "male"),),
        instructions={"twiml": "<Response/>"},
        on_machine=OnMachine.MESSAGE,
        codec="g722",
        record=True,
        labels={"site_visit": True},
        most=Millis(600_000),
    )
    plain = order()
    told = {one.name for one in fields(said) if getattr(said, one.name) != getattr(plain, one.name)}
    always = {"call", "channel", "script_id", "script_version", "language", "phone"}
    assert told == {one.name for one in fields(said)} - always, "a new field belongs into this test"
    message = wire.read_for_worker(wire.encode(wire.Attach.of(said, 0.0)))
    assert isinstance(message, wire.Attach)
    assert message.order() == said
    with pytest.raises(ValueError, match=r"E\.164"):
        wire.Attach("c", "c", "s", 1, "en", "5550", None, {}).order()


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"{", b"[]", b"5", b"null", b"\xff\xfe", b"{}", b'{"kind":"ping","kind":"x"}', b'{"kind":"attach"}',
     b'{"kind":"hello","version":"x","calls":[]}', b'{"kind":"ended","call":1,"report":{}}',
     b'{"kind":"ended","call":"c","report":{},"failed":"tired"}'],
)  # fmt: skip
def test_garbage_is_named(line: bytes) -> None:
    with pytest.raises(wire.Garbled):
        wire.read_for_worker(line)
    with pytest.raises(wire.Garbled):
        wire.read_for_daemon(line)


def test_a_complaint_does_not_repeat_what_was_said() -> None:
    with pytest.raises(wire.Garbled) as caught:
        wire.read_for_worker(b'{"kind":"attach","phone":["+15550100100"]}')
    assert "5550100100" not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_line_is_a_message_or_garbage(line: bytes) -> None:
    for read in (wire.read_for_worker, wire.read_for_daemon):
        with contextlib.suppress(wire.Garbled):
            read(line)


# --- the outbox ----------------------------------------------------------------------------------


def test_a_newer_word_on_a_call_replaces_the_older() -> None:
    box = Outbox()
    box.put(wire.Reported("a", AgentReport("interested")))
    box.put(wire.Reported("b", AgentReport("paid")))
    box.put(wire.Reported("a", DNC))
    ended = box.put(wire.Ended("a", DNC))
    assert [(message.kind, message.call) for message in box] == [("reported", "b"), ("ended", "a")]
    assert ended.number == 4
    assert box.calls == {"a", "b"}


def test_what_was_acknowledged_is_kept_for_a_while() -> None:
    box = Outbox()
    number = box.put(wire.Ended("a", DNC)).number
    box.acknowledge(number, 100.0)
    box.acknowledge(number, 105.0)
    box.acknowledge(99, 105.0)
    box.forget(100.0 + KEPT - 0.1)
    assert box.calls == {"a"}
    box.forget(100.0 + KEPT)
    assert box.calls == frozenset()


def test_what_nobody_took_goes_to_a_file_and_comes_back_once(tmp_path: Path) -> None:
    path = tmp_path / "media.outcomes"
    box = Outbox()
    box.put(wire.Ended("a", DNC, Reason.DROPPED, "the daemon did not come back"))
    box.acknowledge(box.put(wire.Ended("b", DNC)).number, 0.0)
    box.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    later = Outbox()
    later.load(path)
    assert list(later) == [wire.Ended("a", DNC, Reason.DROPPED, "the daemon did not come back", 1)]
    assert list(tmp_path.iterdir()) == []
    later.load(path)
    assert later.calls == {"a"}


def test_a_file_that_makes_no_sense_is_read_as_far_as_it_does(tmp_path: Path) -> None:
    path = tmp_path / "media.outcomes"
    path.write_bytes(b"garbage\n" + wire.encode(wire.Heard("c")) + wire.encode(wire.Ended("a", DNC)))
    box = Outbox()
    box.load(path)
    assert box.calls == {"a"}
    path.mkdir()
    box.load(path)
    box.save(path)
    assert path.is_dir()


def test_nothing_to_save_leaves_no_file(tmp_path: Path) -> None:
    Outbox().save(tmp_path / "media.outcomes")
    assert list(tmp_path.iterdir()) == []
