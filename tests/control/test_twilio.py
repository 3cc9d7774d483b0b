"""The part of Twilio's REST interface that bots use: placing, hanging up and redirecting a call, in Twilio's shapes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from dialerd.core.commands import ListNumbers
from dialerd.core.dnc import DncEntry
from dialerd.core.effects import Announce
from dialerd.core.errors import PortError
from dialerd.core.messages import AgentStoodIn, MediaCapacity, TryAnswered, TryEnded, TryRinging, TryShown
from dialerd.core.twilio import call_of_sid, signature
from dialerd.engine.callbacks import StatusCallbacks
from dialerd.engine.settings import TwilioAccess
from tests.control.installation import Installation

ACCOUNT = "AC" + "1" * 32
CALLS = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"
TWIML = "<Response><Connect><Stream url='wss://bot.example.com/ws'/></Connect></Response>"
FORM = {"To": "+919876543210", "From": "+15550100100", "Twiml": TWIML}


@pytest.fixture
async def bot(daemon: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A bot with a key of its own, as Twilio's libraries ask."""
    daemon.connect()
    key = (await daemon.app.state.control.keys.create("bot", "write"))["key"]
    transport = httpx.ASGITransport(daemon.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://dialerd", auth=(ACCOUNT, key)
    ) as client:
        yield client


async def shown(bot: httpx.AsyncClient, sid: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while not wanted(found := (await bot.get(f"{CALLS}/{sid}.json")).json()):
            await asyncio.sleep(0)
    return dict(found)


def refused(answer: httpx.Response, status: int, code: int) -> str:
    found = answer.json()
    assert (answer.status_code, found["status"], found["code"]) == (status, status, code), found
    assert found["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert answer.headers["content-type"] == "application/json"
    return str(found["message"])


async def test_a_bot_places_a_call_and_sees_how_it_gets_on(
    bot: httpx.AsyncClient, daemon: Installation
) -> None:
    made = await bot.post(f"{CALLS}.json", data={**FORM, "Timeout": "20"})
    assert made.status_code == 201, made.text
    call = made.json()
    sid = call["sid"]
    assert (call["account_sid"], call["to"], call["from"]) == (ACCOUNT, FORM["To"], FORM["From"])
    assert (call["status"], call["direction"], call["end_time"]) == ("initiated", "outbound-api", None)
    assert call["uri"] == f"{CALLS}/{sid}.json"
    (order,) = daemon.telephony.originated
    assert (order.phone, order.caller_id, order.ring_timeout) == (FORM["To"], FORM["From"], 20_000)
    for event in (TryShown(order.channel), TryRinging(order.channel)):
        daemon.engine.post(event)
    await shown(bot, sid, lambda found: found["status"] == "ringing")
    daemon.engine.post(TryAnswered(order.channel))
    await shown(bot, sid, lambda found: found["status"] == "in-progress")
    (attached,) = daemon.media.attached
    assert (attached.engine, attached.language, attached.script_id) == ("pipecat", "en-IN", "")
    assert attached.instructions == {"twiml": TWIML}
    ended = await bot.post(f"{CALLS}/{sid}.json", data={"Status": "completed"})
    assert ended.status_code == 200, ended.text
    daemon.engine.post(TryEnded(order.channel, 16))
    over = await shown(bot, sid, lambda found: found["status"] == "completed")
    assert over["end_time"] is not None
    known = await daemon.store.call(attached.call)
    assert known is not None
    assert (known.disposition, known.reason) == ("connected", None), (
        "its own bot ended it: nothing went wrong"
    )
    again = await bot.post(f"{CALLS}/{sid}.json", data={"Status": "completed"})
    assert "has ended" in refused(again, 404, 20404)


async def test_a_call_is_redirected_while_it_is_live(bot: httpx.AsyncClient, daemon: Installation) -> None:
    sid = (await bot.post(f"{CALLS}.json", data={**FORM, "Twiml": "", "Url": "https://x.example/a"})).json()[
        "sid"
    ]
    early = await bot.post(f"{CALLS}/{sid}.json", data={"Twiml": TWIML})
    refused(early, 400, 21220)
    daemon.engine.post(TryAnswered(daemon.telephony.originated[0].channel))
    await shown(bot, sid, lambda found: found["status"] == "in-progress")
    assert daemon.media.attached[0].instructions == {"url": "https://x.example/a", "method": "POST"}
    moved = await bot.post(f"{CALLS}/{sid}.json", data={"Url": "https://x.example/b", "Method": "GET"})
    assert moved.status_code == 200, moved.text
    assert daemon.media.redirected == [(call_of_sid(sid), {"url": "https://x.example/b", "method": "GET"})]
    wrong = await bot.post(f"{CALLS}/{sid}.json", data={"Twiml": "<Response><Play>x</Play></Response>"})
    assert "the verb <Play> is not supported" in refused(wrong, 400, 12100)
    refused(await bot.post(f"{CALLS}/{sid}.json", data={"Status": "canceled"}), 400, 21220)


async def test_a_call_that_no_bot_of_twilios_kind_holds_cannot_be_redirected_and_that_is_said(
    bot: httpx.AsyncClient, api: httpx.AsyncClient, daemon: Installation
) -> None:
    made = await bot.post(f"{CALLS}.json", data=FORM)
    sid, (order,) = made.json()["sid"], daemon.telephony.originated
    daemon.engine.post(TryAnswered(order.channel))
    await shown(bot, sid, lambda found: found["status"] == "in-progress")
    call = call_of_sid(sid)
    assert call is not None
    daemon.engine.post(AgentStoodIn(call, "priya", "embedded", "pipecat does not answer"))
    async with asyncio.timeout(10):
        while (await api.get(f"/v1/calls/{call}")).json()["taken_over_by"] is None:
            await asyncio.sleep(0)
    said = refused(await bot.post(f"{CALLS}/{sid}.json", data={"Twiml": TWIML}), 400, 21220)
    assert "the agent priya, which has taken it over, is on the engine embedded" in said
    assert daemon.media.redirected == []
    ended = await bot.post(f"{CALLS}/{sid}.json", data={"Status": "completed"})
    assert ended.status_code == 200, ended.text


@pytest.mark.parametrize(
    ("changes", "status", "code", "named"),
    [
        ({"To": ""}, 400, 21201, "To is required"),
        ({"To": "me"}, 400, 21211, "To is not a number"),
        ({"From": ""}, 400, 21213, "From is required"),
        ({"From": "+15550109999"}, 400, 21210, "is not a caller id of the trunks"),
        ({"Twiml": ""}, 400, 21205, "one of Url and Twiml"),
        ({"Url": "https://x.example/"}, 400, 21205, "one of Url and Twiml"),
        ({"Twiml": "", "Url": "http://10.1.1.1/"}, 400, 21205, "no public address"),
        ({"Twiml": TWIML.replace("wss://bot.example.com", "ws://10.1.1.1")}, 400, 21205, "no public address"),
        (
            {"Twiml": TWIML.replace("wss:", "https:")},
            *(400, 21205, "<Stream> in Twiml: must begin with ws:// or wss://"),
        ),
        (
            {"Twiml": "<Response><Redirect>wss://x.example/</Redirect></Response>"},
            *(400, 21205, "<Redirect> in Twiml: must begin with http:// or https://"),
        ),
        ({"Twiml": "", "Url": "wss://x.example/"}, 400, 21205, "Url: must begin with http://"),
        ({"Twiml": "<Response><Dial>+1</Dial></Response>"}, 400, 12100, "the verb <Dial> is not supported"),
        ({"Timeout": "long"}, 400, 20001, "Timeout"),
        ({"Record": "true"}, 400, 20001, "Record is not supported here"),
        ({"MachineDetection": "Enable"}, 400, 20001, "MachineDetection is not supported here"),
        *(
            ({name: value}, 400, 20001, f"{name} is not supported here; there are: To, From, Url")
            for name, value in [
                ("AsyncAmd", "true"),
                ("IfMachine", "Hangup"),
                ("FallbackUrl", "https://x.example/"),
                ("RecordingChannels", "dual"),
                ("Trim", "trim-silence"),
                ("SendDigits", "1"),
                ("CallReason", "your loan"),
                ("Tiemout", "5"),
            ]
        ),
        ({"Record": "true", "Trim": "x"}, 400, 20001, "Record, Trim are not supported here"),
        ({"TimeLimit": "0"}, 400, 20001, "TimeLimit must be a whole number of seconds, 1 to 86,400"),
        ({"TimeLimit": "1.5"}, 400, 20001, "TimeLimit must be"),
        ({"TimeLimit": "9" * 5_000}, 400, 20001, "TimeLimit must be"),
        ({"StatusCallback": "http://10.1.1.1/"}, 400, 21609, "no public address"),
        (
            {"StatusCallback": "https://x/", "StatusCallbackEvent": "amused"},
            400,
            21626,
            "'amused' is none of",
        ),
    ],
)
async def test_what_is_wrong_with_a_call_is_told_in_twilios_terms(
    bot: httpx.AsyncClient, daemon: Installation, changes: dict[str, str], status: int, code: int, named: str
) -> None:
    answer = await bot.post(f"{CALLS}.json", data={**FORM, **changes})
    assert named in refused(answer, status, code)
    assert daemon.telephony.originated == []


async def test_what_asks_for_nothing_is_no_fault_and_a_time_limit_goes_with_the_call(
    bot: httpx.AsyncClient, daemon: Installation
) -> None:
    form = {**FORM, "Record": "false", "AsyncAmd": "False", "SendDigits": "", "TimeLimit": "5"}
    made = await bot.post(f"{CALLS}.json", data=form)
    assert made.status_code == 201, made.text
    (order,) = daemon.telephony.originated
    daemon.engine.post(TryAnswered(order.channel))
    await shown(bot, made.json()["sid"], lambda found: found["status"] == "in-progress")
    assert daemon.media.attached[0].instructions == {"twiml": TWIML, "time_limit": 5}
    moved = await bot.post(f"{CALLS}/{made.json()['sid']}.json", data={"Twiml": TWIML, "TimeLimit": "9"})
    assert "TimeLimit is not supported here; there are: Status" in refused(moved, 400, 20001)
    assert daemon.media.redirected == []


async def test_a_closed_gate_is_told_and_nothing_is_queued(
    bot: httpx.AsyncClient, daemon: Installation
) -> None:
    listed = DncEntry(FORM["To"], "asked", "test", daemon.clock.now().wall)
    await daemon.engine.command(ListNumbers((listed,)))
    assert "dnc" in refused(await bot.post(f"{CALLS}.json", data=FORM), 403, 21216)
    daemon.engine.post(MediaCapacity(100, "", {}))
    other = {**FORM, "To": "+919876543211"}
    answer = await bot.post(f"{CALLS}.json", data=other)
    assert "engine pipecat: the settings have no such engine any more" in refused(answer, 429, 20429)
    assert answer.headers["retry-after"] == "5"
    daemon.connect()
    assert daemon.telephony.originated == []


async def test_who_may_do_what(daemon: Installation) -> None:
    daemon.connect()
    keys = daemon.app.state.control.keys
    write, read = (await keys.create("w", "write"))["key"], (await keys.create("r", "read"))["key"]
    transport = httpx.ASGITransport(daemon.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://dialerd") as client:
        unknown = await client.post(f"{CALLS}.json", data=FORM)
        refused(unknown, 401, 20003)
        assert unknown.headers["www-authenticate"] == 'Basic realm="dialerd"'
        refused(await client.post(f"{CALLS}.json", data=FORM, auth=(ACCOUNT, "guess")), 401, 20003)
        refused(await client.get(f"{CALLS}.json", headers={"Authorization": "Basic %%%"}), 401, 20003)
        refused(await client.get(f"{CALLS}.json", headers={"Authorization": f"Bearer {write}"}), 401, 20003)
        refused(await client.post(f"{CALLS}.json", data=FORM, auth=(ACCOUNT, read)), 403, 20003)
        made = await client.post(f"{CALLS}.json", data=FORM, auth=("SKmykey", write))
        assert made.status_code == 201, "an API key of Twilio's has a name of its own; the secret decides"
        sid = made.json()["sid"]
        assert (await client.get(f"{CALLS}/{sid}.json", auth=(ACCOUNT, read))).status_code == 200
        other = CALLS.replace(ACCOUNT, "AC" + "2" * 32)
        assert "there is no account" in refused(
            await client.post(f"{other}.json", data=FORM, auth=(ACCOUNT, write)), 404, 20404
        )
        plain = await client.get("/v1/status", auth=(ACCOUNT, write))
        assert plain.status_code == 401, "elsewhere a key is a bearer's"
        assert plain.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", ".json", 405, 20004),
        ("GET", "/CA123.json", 404, 20404),
        ("POST", "/nothing.json", 404, 20404),
        ("GET", "/CA" + "0" * 32 + ".json", 404, 20404),
        ("POST", "/a/b.json", 404, 20404),
        ("POST", "xml", 404, 20404),
    ],
)
async def test_what_there_is_not_is_told_in_twilios_terms(
    bot: httpx.AsyncClient, method: str, path: str, status: int, code: int
) -> None:
    refused(await bot.request(method, CALLS + path, data={} if method == "POST" else None), status, code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", f"/Accounts/{ACCOUNT}/Messages.json", 404, 20404),
        ("GET", f"/Accounts/{ACCOUNT}.json", 404, 20404),
        ("GET", "/Accounts.json", 404, 20404),
        ("GET", "/", 404, 20404),
        ("PUT", f"/Accounts/{ACCOUNT}/Recordings/RE1.json", 404, 20404),
        ("DELETE", f"/Accounts/{ACCOUNT}/Calls.json", 405, 20004),
        ("DELETE", f"/Accounts/{ACCOUNT}/Calls/CA{'0' * 32}.json", 405, 20004),
        ("PATCH", f"/Accounts/{ACCOUNT}/Calls/CA{'0' * 32}.json", 405, 20004),
    ],
)
async def test_the_rest_of_twilios_paths_is_answered_in_twilios_terms_too(
    bot: httpx.AsyncClient, method: str, path: str, status: int, code: int
) -> None:
    refused(await bot.request(method, f"/2010-04-01{path}"), status, code)


async def test_what_is_out_is_told_in_twilios_terms(bot: httpx.AsyncClient, daemon: Installation) -> None:
    async def out(*_: object) -> None:
        raise PortError("the database is gone", retryable=True)

    daemon.store.call = out  # type: ignore[method-assign]
    answer = await bot.get(f"{CALLS}/CA{'0' * 32}.json")
    assert "the database is gone" in refused(answer, 503, 20503)
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"\xff\xfe", 400, 20001),
        (b"a=%ff", 400, 20001),
        (b"&" * 300, 400, 20001),
        (b"x=" + b"y" * 70_000, 413, 20413),
    ],
)
async def test_bodies_that_are_no_forms_are_refused(
    bot: httpx.AsyncClient, body: bytes, status: int, code: int
) -> None:
    refused(await bot.post(f"{CALLS}.json", content=body), status, code)


class Posted:
    """Keeps what would be sent; the first attempt of each address in `deaf` fails."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, str], str]] = []
        self.deaf: list[str] = []

    async def fetch(self, method: str, url: str, form: Any, headers: Any) -> tuple[int, bytes]:
        if url in self.deaf:
            self.deaf.remove(url)
            raise OSError("deaf")
        self.sent.append((method, url, dict(form), headers.get("X-Twilio-Signature", "")))
        return 204, b""


async def test_who_placed_a_call_is_told_how_it_gets_on(bot: httpx.AsyncClient, daemon: Installation) -> None:
    posted = Posted()
    callbacks = StatusCallbacks(daemon.store, daemon.clock, TwilioAccess(ACCOUNT, "token"), posted)
    running = asyncio.create_task(callbacks.run())
    url = "https://x.example/status"
    posted.deaf.append(url)
    form = {**FORM, "StatusCallback": url, "StatusCallbackEvent": ["initiated", "answered", "completed"]}
    sid = (await bot.post(f"{CALLS}.json", data=form)).json()["sid"]
    call = call_of_sid(sid)
    order = daemon.telephony.originated[0]
    for event in (TryShown(order.channel), TryRinging(order.channel), TryAnswered(order.channel)):
        daemon.engine.post(event)
    await shown(bot, sid, lambda found: found["status"] == "in-progress")
    for kind in ("call.placed", "call.ringing", "call.answered"):
        callbacks.hear(Announce(kind, {"call": call, "campaign": None}))
    callbacks.hear(Announce("call.answered", {"call": "cal_0123456789ab", "campaign": "cmp_1"}))
    async with asyncio.timeout(10):
        while len(posted.sent) < 2:
            await asyncio.sleep(0.01)
    daemon.engine.post(TryEnded(order.channel, 16, 200))
    await bot.post(f"{CALLS}/{sid}.json", data={"Status": "completed"})
    callbacks.hear(Announce("call.completed", {"call": call, "campaign": None}))
    async with asyncio.timeout(10):
        while len(posted.sent) < 3:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [(form["CallStatus"], form["SequenceNumber"]) for _, _, form, _ in posted.sent][:2] == [
        ("initiated", "0"), ("in-progress", "1"),
    ]  # fmt: skip
    for method, where, told, signed in posted.sent:
        assert (method, where, told["CallSid"], told["To"]) == ("POST", url, sid, FORM["To"])
        assert signed == signature(url, "token", told.items())


async def test_none_of_it_is_in_the_description_of_our_own_api(
    bot: httpx.AsyncClient, api: httpx.AsyncClient
) -> None:
    described = (await api.get("/openapi.json")).json()["paths"]
    assert not [path for path in described if path.startswith("/2010")]
