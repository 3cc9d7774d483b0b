"""The manager interface against a fake: trunks, logins, silence, losses, and nothing sent twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from dialerd.asterisk.ami import AmiAccess, AmiError, AmiTiming, AmiWatch, CoreStatus
from dialerd.asterisk.ami_link import AmiAction, AmiLink
from dialerd.asterisk.outage import Backoff
from dialerd.asterisk.reachability import Contacts
from dialerd.asterisk.registration import Registrations
from dialerd.core.messages import TrunkReachability, TrunkRegistration
from tests.adapters.waiting import Heard, until
from tests.listening import serve

SECRET = "right horse"
# A busy machine may take long for any answer: only a test of silence has a short deadline.
PATIENT = AmiTiming(connect=20.0, action=20.0, ping=0.05)
HASTY = AmiTiming(connect=20.0, action=0.3, ping=0.05)
URI = "sip:127.0.0.1:5060"

Message = dict[str, str]


class FakeAmi:
    """As much of a manager interface as the client sees."""

    def __init__(self) -> None:
        self.secret = SECRET
        self.status = {"main": "Reachable"}
        self.registrations = {"main": "Registered"}
        self.silent_to: set[str] = set()
        self.overrides: dict[str, list[Message]] = {}
        self.actions: list[Message] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0

    def say(self, **message: str) -> None:
        """Send a message on the newest connection."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in message.items())
        self.writers[-1].write(f"{lines}\r\n".encode())

    def cut(self) -> None:
        """Break the newest connection."""
        self.writers[-1].transport.abort()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.writers.append(writer)
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        with suppress(asyncio.IncompleteReadError):
            while True:
                block = (await reader.readuntil(b"\r\n\r\n")).decode()
                action = dict(line.split(": ", 1) for line in block.strip().split("\r\n"))
                self.actions.append(action)
                if action["Action"] not in self.silent_to:
                    for message in self.overrides.get(action["Action"]) or self.answer(action):
                        if message.get("Event") != "FullyBooted":
                            message = {"ActionID": action["ActionID"], **message}
                        self.say(**message)

    def answer(self, action: Message) -> list[Message]:
        match action["Action"]:
            case "Login" if action["Secret"] == self.secret:
                booted = {"Event": "FullyBooted", "Uptime": "3"}
                return [{"Response": "Success", "Message": "Authentication accepted"}, booted]
            case "Login":
                return [{"Response": "Error", "Message": "Authentication failed"}]
            case "Ping":
                return [{"Response": "Success", "Ping": "Pong"}]
            case "CoreStatus":
                return [{"Response": "Success", "CoreCurrentCalls": "2", "CoreProcessedCalls": "40"}]
            case "PJSIPShowRegistrationsOutbound":
                return self.listed(
                    "OutboundRegistrationDetail",
                    [{"ObjectName": name, "Status": status} for name, status in self.registrations.items()],
                )
        return self.endpoint(action["Endpoint"])

    def listed(self, event: str, items: list[Message]) -> list[Message]:
        """The answer to an action that lists objects."""
        return [
            {"Response": "Success", "EventList": "start", "Message": "Following are Events for each object"},
            *({"Event": event, **item} for item in items),
            {"Event": f"{event}Complete", "EventList": "Complete", "ListItems": str(len(items))},
        ]

    def endpoint(self, name: str) -> list[Message]:
        if name not in self.status:
            return [{"Response": "Error", "Message": f"Unable to retrieve endpoint {name}"}]
        contact = {
            "Event": "ContactStatusDetail",
            "URI": URI,
            "EndpointName": name,
            "Status": self.status[name],
        }
        return [
            {"Response": "Success", "EventList": "start", "Message": "Following are Events for each object"},
            {"Event": "EndpointDetail", "ObjectName": name},
            contact,
            {"Event": "EndpointDetailComplete", "EventList": "Complete", "ListItems": "2"},
        ]


@asynccontextmanager
async def fake_ami() -> AsyncIterator[FakeAmi]:
    fake = FakeAmi()
    async with serve(fake.handle) as port:
        fake.port = port
        yield fake


@asynccontextmanager
async def watching(
    fake: FakeAmi,
    *endpoints: str,
    registrations: tuple[str, ...] = (),
    timing: AmiTiming = PATIENT,
    on_booted: Callable[[], None] | None = None,
) -> AsyncIterator[tuple[AmiWatch, Heard]]:
    heard = Heard()
    watch = AmiWatch(
        AmiAccess("127.0.0.1", fake.port, "dialerd", SECRET),
        endpoints or ("main",),
        heard,
        registrations=registrations,
        timing=timing,
        backoff=Backoff(0.01, 0.03),
        rng=random.Random(1),
        on_booted=on_booted,
    )
    task = asyncio.get_running_loop().create_task(watch.run())
    try:
        yield watch, heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_trunks_are_told_on_connecting() -> None:
    booted: list[bool] = []
    async with fake_ami() as fake:
        fake.status = {"main": "Reachable", "spare": "Unreachable", "quiet": "NonQualified"}
        async with watching(
            fake, "main", "spare", "quiet", "gone", "main", on_booted=lambda: booted.append(True)
        ) as (watch, heard):
            await until(lambda: watch.connected and booted)
            assert watch.detail == ""
            assert await watch.core_status() == CoreStatus(2, 40)
    assert [(event.endpoint, event.reachable) for event in heard.of(TrunkReachability)] == [
        ("main", True),
        ("spare", False),
        ("quiet", None),
        ("gone", False),
    ]
    assert "pjsip.conf" in heard.of(TrunkReachability)[3].detail
    login = fake.actions[0]
    assert (login["Username"], login["Events"]) == ("dialerd", "system")


async def test_a_trunk_that_goes_and_comes() -> None:
    async with fake_ami() as fake, watching(fake) as (_watch, heard):
        await heard.wait(TrunkReachability)
        for status in ("Unreachable", "Unreachable", "Reachable"):
            fake.say(Event="ContactStatus", URI=URI, EndpointName="main", ContactStatus=status)
        fake.say(Event="ContactStatus", URI=URI, EndpointName="other", ContactStatus="Unreachable")
        await heard.wait(TrunkReachability, 3)
    assert [event.reachable for event in heard.of(TrunkReachability)] == [True, False, True]
    assert heard.of(TrunkReachability)[1].detail == f"{URI} Unreachable"


async def test_registrations_are_told_on_connecting_and_asked_about_at_every_change() -> None:
    changed = {
        "Event": "Registry",
        "ChannelType": "PJSIP",
        "Username": "sip:me@carrier",
        "Domain": "sip:carrier",
    }
    async with fake_ami() as fake, watching(fake, registrations=("main", "gone")) as (watch, heard):
        await until(lambda: watch.connected)
        fake.registrations = {"main": "Rejected"}
        fake.say(**changed, Status="Rejected")
        await heard.wait(TrunkRegistration, 3)
        fake.registrations = {"main": "Registered"}
        fake.say(**changed, Status="Registered")
        await heard.wait(TrunkRegistration, 4)
        fake.cut()
        await heard.wait(TrunkRegistration, 6)
    told = [(event.registration, event.registered) for event in heard.of(TrunkRegistration)][:6]
    at_first, later = told[:2], told[2:]
    assert at_first == [("main", True), ("gone", False)]
    assert later == [("main", False), ("main", True), ("main", None), ("gone", None)]
    assert "pjsip.conf" in heard.of(TrunkRegistration)[1].detail
    assert heard.of(TrunkRegistration)[2].detail == "Rejected"


async def test_registrations_that_nobody_needs_are_not_asked_about() -> None:
    async with fake_ami() as fake, watching(fake) as (watch, _heard):
        await until(lambda: watch.connected)
        fake.say(Event="Registry", Status="Rejected")
        await until(lambda: sum(action["Action"] == "PJSIPShowEndpoint" for action in fake.actions) > 1)
    assert not [action for action in fake.actions if action["Action"] == "PJSIPShowRegistrationsOutbound"]


@pytest.mark.parametrize("message", ["Permission denied", "Invalid/unknown command"])
def test_an_asterisk_that_does_not_tell_of_registrations(message: str) -> None:
    registrations = Registrations(["main"])
    registrations.survey([{"response": "Error", "message": message}])
    (state,) = registrations.states()
    assert state.registered is None
    assert message in state.detail
    assert "write = system,reporting" in state.detail


@pytest.mark.parametrize(
    "event",
    [
        {"Event": "Reload", "Module": "All"},
        {"Event": "FullyBooted", "Uptime": "1"},
        {"Event": "ContactStatus", "URI": URI, "EndpointName": "main", "ContactStatus": "Removed"},
    ],
)
async def test_the_trunks_are_asked_about_again(event: Message) -> None:
    async with fake_ami() as fake, watching(fake) as (watch, heard):
        await until(lambda: watch.connected)
        fake.status = {}
        fake.say(**event)
        last = await heard.wait(TrunkReachability, 2)
    assert last.reachable is False


async def test_a_wrong_secret_is_named_and_tried_again() -> None:
    with capture_logs() as logs:
        async with fake_ami() as fake:
            fake.secret = "changed"
            async with watching(fake) as (watch, heard):
                await heard.wait(TrunkReachability)
                await until(lambda: len(fake.writers) > 2)
                assert not watch.connected
                assert "'dialerd'" in watch.detail
                assert "manager.conf" in watch.detail
                fake.secret = SECRET
                await until(lambda: watch.connected)
    assert [event.reachable for event in heard.of(TrunkReachability)] == [None, True]
    names = [entry["event"] for entry in logs]
    assert names.count("ami.unavailable") == names.count("ami.recovered") == 1
    assert SECRET not in str(logs)


async def test_nobody_listens() -> None:
    async with fake_ami() as fake:
        pass
    async with watching(fake) as (watch, heard):
        await heard.wait(TrunkReachability)
        assert f"127.0.0.1:{fake.port}" in watch.detail
        with pytest.raises(AmiError, match="manager interface"):
            await watch.core_status()
    assert heard.of(TrunkReachability)[0].reachable is None


@pytest.mark.parametrize("deaf_to", ["Login", "PJSIPShowEndpoint"])
async def test_a_connection_that_answers_nothing(deaf_to: str) -> None:
    async with fake_ami() as fake:
        fake.silent_to = {deaf_to}
        async with watching(fake, timing=HASTY) as (watch, heard):
            await heard.wait(TrunkReachability)
            assert f"left {deaf_to} unanswered" in watch.detail


async def test_a_half_open_connection_is_noticed_by_its_pongs() -> None:
    async with fake_ami() as fake, watching(fake, timing=HASTY) as (watch, heard):
        await until(lambda: watch.connected and any(action["Action"] == "Ping" for action in fake.actions))
        assert heard.of(TrunkReachability)[-1].reachable is True
        fake.silent_to = {"Ping"}
        lost = await heard.wait(TrunkReachability, 2)
        assert lost.reachable is None
        assert "Ping" in lost.detail
        fake.silent_to = set()
        await heard.wait(TrunkReachability, 3)


async def test_a_cut_connection_is_made_again_and_nothing_sent_twice() -> None:
    async with fake_ami() as fake, watching(fake) as (watch, _heard):
        await until(lambda: watch.connected)
        fake.silent_to = {"CoreStatus"}
        asked = asyncio.get_running_loop().create_task(watch.core_status())
        await until(lambda: any(action["Action"] == "CoreStatus" for action in fake.actions))
        fake.cut()
        with pytest.raises(AmiError, match="closed"):
            await asked
        fake.silent_to = set()
        await until(lambda: len(fake.writers) == 2 and watch.connected)
        await until(lambda: fake.actions[-1]["Action"] == "Ping")
    assert sum(action["Action"] == "CoreStatus" for action in fake.actions) == 1


async def test_a_loss_is_noticed_at_once() -> None:
    slow = AmiTiming(connect=1, action=30, ping=30)
    async with fake_ami() as fake, watching(fake, timing=slow) as (watch, heard):
        await until(lambda: watch.connected)
        fake.cut()
        assert (await heard.wait(TrunkReachability, 2)).reachable is None


async def test_a_shutdown_is_noticed() -> None:
    with capture_logs() as logs:
        async with fake_ami() as fake, watching(fake) as (watch, heard):
            await until(lambda: watch.connected)
            fake.say(Event="Shutdown", Shutdown="Cleanly", Restart="True")
            await heard.wait(TrunkReachability, 2)
            await heard.wait(TrunkReachability, 3)
    assert [event.reachable for event in heard.of(TrunkReachability)] == [True, None, True]
    assert {"event": "asterisk.shutting_down", "restart": "True", "log_level": "warning"} in logs


async def test_a_user_without_rights_is_named() -> None:
    async with fake_ami() as fake:
        fake.overrides = {
            "CoreStatus": [{"Response": "Error", "Message": "Permission denied"}],
            "PJSIPShowEndpoint": [{"Response": "Error", "Message": "Permission denied"}],
        }
        async with watching(fake) as (watch, heard):
            state = await heard.wait(TrunkReachability)
            assert state.reachable is None
            assert "write = system" in state.detail
            with pytest.raises(AmiError, match="reporting"):
                await watch.core_status()


@pytest.mark.parametrize("action", ["Originate", "Hangup", "Redirect", "Command", "UpdateConfig"])
async def test_no_call_control(action: str) -> None:
    async with fake_ami() as fake:
        link = AmiLink((), lambda _event: None, lambda: None)
        await link.open("127.0.0.1", fake.port)
        with pytest.raises(ValueError, match=action):
            await link.ask(cast(AmiAction, action), 0.1)
        link.close()
    assert fake.actions == []


def test_headers_cannot_be_injected() -> None:
    for user, secret in (("a\r\nAction: Originate", "s"), ("a", "s\nx")):
        with pytest.raises(ValueError, match="one line"):
            AmiAccess("h", 1, user, secret)
    assert "hunter2" not in repr(AmiAccess("h", 1, "u", "hunter2"))


CONTACT = {"event": "ContactStatusDetail"}
SUCCESS = {"response": "Success"}


@pytest.mark.parametrize(
    ("answer", "reachable"),
    [
        ([SUCCESS], False),
        ([SUCCESS, {**CONTACT, "uri": "a", "status": "Unreachable"}], False),
        ([SUCCESS, *({**CONTACT, "uri": uri, "status": "Unreachable"} for uri in "ab")], False),
        (
            [
                SUCCESS,
                {**CONTACT, "uri": "a", "status": "Unreachable"},
                {**CONTACT, "uri": "b", "status": "x"},
            ],
            None,
        ),
        (
            [
                SUCCESS,
                {**CONTACT, "uri": "a", "status": "NonQualified"},
                {**CONTACT, "uri": "b", "status": "Reachable"},
            ],
            True,
        ),
        ([{"response": "Error", "message": "Invalid/unknown command"}], None),
        ([{"response": "Error", "message": "Unable to retrieve endpoint main"}], False),
        ([{}], None),
    ],
)
def test_what_contacts_say_of_an_endpoint(answer: list[Mapping[str, Any]], reachable: bool | None) -> None:
    contacts = Contacts("main")
    assert contacts.state().reachable is None
    contacts.survey(answer)
    assert contacts.state().reachable is reachable
    assert contacts.state().detail
