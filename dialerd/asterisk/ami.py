"""What only the manager interface tells: whether trunks are reachable and registered, that Asterisk boots or goes.

No call is made, changed or ended over it, and none of its actions can: it reads. Losing it costs the
knowledge of the trunks, not the dialing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from dialerd.asterisk.ami_link import AmiAction, AmiLink, Headers, LinkLost
from dialerd.asterisk.outage import Backoff, Outage
from dialerd.asterisk.reachability import Contacts
from dialerd.asterisk.registration import Registrations
from dialerd.core.errors import PortError
from dialerd.core.messages import (
    ManagerDown,
    ManagerUp,
    TrunkReachability,
    TrunkRegistration,
)
from dialerd.ports import Sink

_log = structlog.get_logger("dialerd.asterisk")

_EVENTS = ("ContactStatus", "FullyBooted", "Registry", "Reload", "Shutdown")
_EVENT_CLASSES = "system"

TrunkState = TrunkReachability | TrunkRegistration


@dataclass(frozen=True, slots=True)
class AmiAccess:
    """Where the manager interface is and who we are there. Raises ValueError for what would not fit in a header."""

    host: str
    port: int
    user: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if any(mark in self.user + self.secret for mark in "\r\n"):
            raise ValueError("the AMI user and secret must each be one line")


@dataclass(frozen=True, slots=True)
class AmiTiming:
    """Deadlines in seconds; a link without events is pinged every `ping`."""

    connect: float = 5.0
    action: float = 5.0
    ping: float = 5.0


@dataclass(frozen=True, slots=True)
class CoreStatus:
    """Asterisk's own count of its calls."""

    current_calls: int
    processed_calls: int


class AmiError(PortError):
    """The manager interface cannot be used; the message says what, where and how to mend it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message, retryable=True)
        self.kind = kind


class AmiWatch:
    """Watches the reachability of `endpoints` and the state of outbound `registrations`, and posts each change.

    Without a connection they are unknown.

    `on_booted` is called when Asterisk says that it has booted: at each login to a booted one, and at its boot.
    """

    def __init__(
        self,
        access: AmiAccess,
        endpoints: Sequence[str],
        sink: Sink,
        *,
        registrations: Sequence[str] = (),
        timing: AmiTiming = AmiTiming(),
        backoff: Backoff | None = None,
        rng: random.Random | None = None,
        on_booted: Callable[[], None] | None = None,
    ) -> None:
        self._access = access
        self._sink = sink
        self._timing = timing
        self._on_booted = on_booted
        self._outage = Outage(
            _log, "ami.unavailable", "ami.recovered", backoff or Backoff(), rng or random.Random()
        )
        self._contacts = {name: Contacts(name) for name in dict.fromkeys(endpoints)}
        self._registrations = Registrations(dict.fromkeys(registrations))
        self._told: dict[tuple[str, str], tuple[object, ...]] = {}
        self._link: AmiLink | None = None
        self._stir = asyncio.Event()
        """Set when the link has something to look at: the endpoints have changed, or the link is lost."""
        self._survey_due = False
        self._connected_at: float | None = None

    @property
    def connected(self) -> bool:
        """Whether the trunks are being watched."""
        return self._connected_at is not None

    @property
    def detail(self) -> str:
        """What is wrong and how to mend it; empty: nothing."""
        return self._outage.detail

    async def run(self) -> None:
        """Connect, and connect again after each loss, until cancelled."""
        while True:
            try:
                await self._session()
            except AmiError as error:
                await asyncio.sleep(self._lost(error))

    async def core_status(self) -> CoreStatus:
        """Ask for the count of calls. Raises AmiError."""
        [told, *_] = await self._ask("CoreStatus")
        try:
            return CoreStatus(int(told["corecurrentcalls"]), int(told["coreprocessedcalls"]))
        except (KeyError, ValueError) as error:
            raise self._refused("CoreStatus", told) from error

    async def trunk_states(self) -> tuple[TrunkState, ...]:
        """Ask for the state of every endpoint and registration watched. Raises AmiError."""
        for name, contacts in self._contacts.items():
            contacts.survey(await self._ask("PJSIPShowEndpoint", Endpoint=name))
        if self._registrations:
            self._registrations.survey(await self._ask("PJSIPShowRegistrationsOutbound"))
        endpoints = (contacts.state() for contacts in self._contacts.values())
        return (*endpoints, *self._registrations.states())

    # --- one connection ----------------------------------------------------------------------------

    async def _session(self) -> None:
        """From connecting to the loss, which is raised as AmiError."""
        self._survey_due = False
        self._stir.clear()
        self._link = link = AmiLink(_EVENTS, self._on_event, self._stir.set)
        try:
            await self._open(link)
            await self._login()
            self._tell(await self.trunk_states())
            self._connected_at = asyncio.get_running_loop().time()
            self._outage.recovered()
            self._sink(ManagerUp())
            while True:
                await self._watch()
        finally:
            self._link = None
            link.close()

    async def _open(self, link: AmiLink) -> None:
        where = f"{self._access.host}:{self._access.port}"
        try:
            async with asyncio.timeout(self._timing.connect):
                await link.open(self._access.host, self._access.port)
        except OSError as error:  # TimeoutError included
            why = error.strerror or "no answer in time"
            raise AmiError(
                "unreachable",
                f"Asterisk's manager interface cannot be reached at {where} ({why}): is Asterisk running, "
                "and manager.conf enabled = yes with this address?",
            ) from error

    async def _login(self) -> None:
        [told, *_] = await self._ask(
            "Login", Username=self._access.user, Secret=self._access.secret, Events=_EVENT_CLASSES
        )
        if told.get("response") != "Success":
            raise AmiError(
                "login",
                f"Asterisk's manager interface refuses the user {self._access.user!r} or its secret "
                f"({told.get('message', 'no reason given')}): compare manager.conf with asterisk.ami_user "
                "and asterisk.ami_secret",
            )

    async def _watch(self) -> None:
        """Wait for something to look at, at most until the next ping."""
        try:
            async with asyncio.timeout(self._timing.ping):
                await self._stir.wait()
        except TimeoutError:
            await self._ask("Ping")
            return
        self._stir.clear()
        if self._link is None or self._link.lost:
            raise self._gone()
        if self._survey_due:
            self._survey_due = False
            self._tell(await self.trunk_states())

    async def _ask(self, action: AmiAction, **headers: str) -> list[Headers]:
        if self._link is None:
            raise AmiError("unreachable", self.detail or "Asterisk's manager interface is not connected")
        try:
            return await self._link.ask(action, self._timing.action, **headers)
        except LinkLost as error:
            raise self._gone() from error
        except TimeoutError as error:
            raise AmiError(
                "silent",
                f"Asterisk's manager interface at {self._access.host}:{self._access.port} left {action} unanswered "
                f"for {self._timing.action:g} s: it hangs, the network to it is cut, or another program listens there",
            ) from error

    def _lost(self, error: AmiError) -> float:
        """The trunks' state is unknown from now on; returns the seconds to wait."""
        now = asyncio.get_running_loop().time()
        lasted = now - self._connected_at if self._connected_at is not None else 0.0
        self._connected_at = None
        for name in self._contacts:
            self._post(TrunkReachability(name, None, str(error)))
        for state in self._registrations.states():
            self._post(TrunkRegistration(state.registration, None, str(error)))
        self._sink(ManagerDown(str(error)))
        return self._outage.failed(error.kind, str(error), lasted=lasted)

    def _gone(self) -> AmiError:
        return AmiError(
            "lost",
            f"Asterisk at {self._access.host}:{self._access.port} closed the manager connection: is it running?",
        )

    def _refused(self, action: str, told: Headers) -> AmiError:
        return AmiError(
            "refused",
            f"Asterisk refuses {action} ({told.get('message', 'no reason given')}): give the user "
            f"{self._access.user!r} write = system,reporting in manager.conf",
        )

    # --- what happens on it ------------------------------------------------------------------------

    def _on_event(self, event: Headers) -> None:
        match event.get("event"):
            case "ContactStatus":
                contacts = self._contacts.get(event.get("endpointname", ""))
                if contacts is not None and contacts.note(event):
                    self._tell((contacts.state(),))
                elif contacts is not None:
                    self._look_again()
            case "FullyBooted":
                _log.info("asterisk.booted", uptime_seconds=event.get("uptime", ""))
                if self._on_booted is not None:
                    self._on_booted()
                self._look_again()
            case "Reload" | "Registry":
                # A Registry event names the accounts, not the registration.
                self._look_again()
            case "Shutdown":
                _log.warning("asterisk.shutting_down", restart=event.get("restart", ""))

    def _look_again(self) -> None:
        self._survey_due = True
        self._stir.set()

    def _tell(self, states: Sequence[TrunkState]) -> None:
        for state in states:
            self._post(state)

    def _post(self, state: TrunkState) -> None:
        """Post a state that differs from the one before; of an endpoint its detail does not."""
        key, told = _identity(state)
        if self._told.get(key) != told:
            self._told[key] = told
            self._sink(state)


def _identity(state: TrunkState) -> tuple[tuple[str, str], tuple[object, ...]]:
    """What a state is of, and what of it matters."""
    if isinstance(state, TrunkReachability):
        return ("endpoint", state.endpoint), (state.reachable,)
    return ("registration", state.registration), (state.registered, state.detail)
