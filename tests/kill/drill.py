"""A lab, a phone network and a daemon that is killed and started again: the stage of every drill.

It starts and kills; what the outcome must be is said by the tests, with the books of `accounts`.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from dialerd.engine.failpoint import VARIABLE, Point
from scripts.running import LAB, ROOT, Daemon, Lab, await_death, lab, run_json
from tests.e2e.listening import Listener
from tests.kill import callee, persons, recorded, witness
from tests.kill.accounts import Books, Terms, compare
from tests.kill.ledger import ContactRow, Ledger
from tests.kill.onlooker import Onlooker, Span, without
from tests.kill.proxy import Proxy, proxy
from tests.kill.witness import Sight
from tests.postgres import Server

SCRIPT = ROOT / "config" / "scripts" / "personal-loan-cross-sell.yaml"
HANDOVER = """\
name: drill
variables: {person: {default: "no"}}
start: hello
no_input: {seconds: 2, repeats: 0, then: goodbye}
do_not_call: {keys: 9, goto: stop}
escalation: {keys: 0, fallback: sorry}
states:
  hello:
    next: [{when: person == "yes", goto: escalate}, {goto: offer}]
  offer: {keys: {1: goodbye}}
  sorry: {end: true}
  stop: {end: dnc}
  goodbye: {end: true}
languages:
  en-IN:
    no_match: No.
    transferring: Hold on.
    say:
      offer: This is the bank, with an offer that is as long as it is good. Press 1 to have it.
      sorry: Nobody is free.
      stop: We will not call again.
      goodbye: Goodbye.
"""
TARGETS = {
    "ANYBODY": {"target": "extension:anybody@lab-people", "timeout_seconds": "2", "fallback": "busy"},
    "BUSY": {"target": "endpoint:busy-phone", "fallback": "desk"},
    "DESK": {"target": "queue:lab-desk"},
    "RECEPTION": {
        "target": "extension:anybody@lab-people",
        "timeout_seconds": "2",
        "warm": "true",
        "announcement": "beep",
        "fallback": "phone",
    },
    "PHONE": {"target": "endpoint:silent-phone"},
}
"""Whom callees are connected with. What each does: the lab's dialplan, and the behaviours of `callee` for phones."""
SPARED = 4
"""Every so many endings are callees who are not connected with a person."""
POLL = 0.05
ORPHANED = 20.0
"""Seconds after which a media worker without a daemon must be gone: its grace is 10 s."""
CLEARED = 20.0
"""Seconds after which nothing may be left of calls that are over: two audits find what was."""
FAULTS = ("engine.turn_failed", "engine.event_failed", "engine.step_raised", "part_died", "Traceback")
"""What must never be in the daemon's log, whatever is killed around it."""


@dataclass
class Life:
    """One run of the daemon; instants in seconds since the epoch."""

    began: float
    ended: float | None = None


@dataclass
class Drill:
    """What a test needs of the stage; made by `stage`."""

    running: Lab
    log: Path
    """SIPp's messages."""
    settings: Mapping[str, str]
    within: Sequence[str] = ()
    """A command that runs the daemon in its own process."""
    ari: Proxy | None = None
    ami: Proxy | None = None
    store: Proxy | None = None
    """What stands before PostgreSQL."""
    database: str | None = None
    """The address of the daemon's PostgreSQL database, past the proxy; None: its store is a file."""
    lives: list[Life] = field(default_factory=list)
    pbx_kills: list[float] = field(default_factory=list)
    worker_kills: list[float] = field(default_factory=list)
    harms: list[Span] = field(default_factory=list)
    """When something was done to a server or the way there, until dialing had resumed."""
    onlooker: Onlooker | None = None
    _daemon: Daemon | None = None

    @property
    def daemon(self) -> Daemon:
        """The one that runs, or ran last."""
        assert self._daemon is not None
        return self._daemon

    @property
    def env(self) -> Mapping[str, str]:
        """The daemon's variables."""
        return {**self.running.env, **self.settings}

    @property
    def state(self) -> Path:
        """The daemon's state directory."""
        return Path(self.env["DIALERD_STATE_DIR"])

    @property
    def ledger(self) -> Ledger:
        """The daemon's store."""
        return Ledger(self.database or self.state / "dialerd.db")

    # --- the daemon --------------------------------------------------------------------------------

    def start(self, point: Point | None = None, passage: int = 1) -> None:
        """Start the daemon; with a failpoint, if one is given."""
        armed = {VARIABLE: f"{point}:{passage}"} if point is not None else {}
        self.lives.append(Life(time.time()))
        self._daemon = Daemon({**self.env, **armed}, self.state.parent / "dialerd.log", self.within)

    def kill(self) -> int:
        """SIGKILL it; returns how many attempts were open just before."""
        opened = self.ledger.open_attempts()
        self.daemon.process.send_signal(signal.SIGKILL)
        self.await_death()
        return opened

    def await_death(self, seconds: float = 60) -> None:
        """Return when it has died of SIGKILL."""
        assert self.daemon.process.wait(seconds) == -signal.SIGKILL, self.daemon.log
        self.lives[-1].ended = time.time()

    # --- the media workers -------------------------------------------------------------------------

    def kill_worker(self, rng: random.Random) -> bool:
        """SIGKILL one of them, if there is one."""
        found = [pid for pid in _processes(self.state) if b"dialerd.worker" in _command(pid)]
        if not found:
            return False
        with suppress(ProcessLookupError):
            os.kill(rng.choice(sorted(found)), signal.SIGKILL)
        self.worker_kills.append(time.time())
        return True

    # --- Asterisk ----------------------------------------------------------------------------------

    def kill_asterisk(self) -> None:
        """SIGKILL the PBX and start it again."""
        await_death(self._signal_asterisk(signal.SIGKILL))
        self.pbx_kills.append(time.time())
        subprocess.run(
            [str(LAB), "up", "--dir", str(self.running.folder), "--trunk", self.running.facts["sip"]["trunk"]],
            check=True, capture_output=True,
        )  # fmt: skip

    def freeze_asterisk(self) -> None:
        """Stop the PBX where it stands."""
        self._signal_asterisk(signal.SIGSTOP)

    def thaw_asterisk(self) -> None:
        """Let the PBX go on."""
        self._signal_asterisk(signal.SIGCONT)

    def _signal_asterisk(self, number: signal.Signals) -> int:
        """Send it; gives the PBX's pid."""
        status = run_json([str(LAB), "status", "--dir", str(self.running.folder), "--json"])
        pid = int(status["pids"]["pbx"])
        os.kill(pid, number)
        return pid

    # --- campaigns ---------------------------------------------------------------------------------

    def campaigns(self, numbers: Sequence[str], terms: Terms, rate: float) -> Sequence[str]:
        """Create and start campaigns for these numbers; the daemon must be ready.

        All are recorded. Most callees are connected with a person: those of the first one cold, of the second warm.
        """
        half = len(numbers) // 2
        return (
            self._campaign("anybody", numbers[:half], terms, rate / 2),
            self._campaign("reception", numbers[half:], terms, rate / 2),
        )

    def _campaign(self, target: str, numbers: Sequence[str], terms: Terms, rate: float) -> str:
        contacts = self.running.folder / "contacts.csv"
        rows = [f"{number},{'no' if int(number[-2:]) % SPARED == 0 else 'yes'}" for number in numbers]
        contacts.write_text("phone,person\n" + "\n".join(rows) + "\n")
        created = self.daemon.ctl(
            "campaign", "create", "--name", target, "--script", "drill",
            "--language", "en-IN", "--csv", str(contacts), "--start-now", "--record", "--transfer-target", target,
            "--max-attempts", str(terms.max_attempts), "--retry-interval", str(terms.retry_interval / 60),
            "--ring-timeout", str(terms.ring_timeout), "--calls-per-second", str(rate),
        )  # fmt: skip
        return str(created["campaign_id"])

    def is_running(self, campaigns: Sequence[str]) -> bool:
        """Whether none of them is over."""
        return all(self.ledger.status(campaign) == "running" for campaign in campaigns)

    def await_end(self, campaigns: Sequence[str], seconds: float) -> None:
        """Return when they are completed and nothing is left of them in the daemon, in Asterisk or half on disk."""
        for campaign in campaigns:
            over = partial(self._is_over, campaign)
            until(over, seconds, f"{campaign} does not complete")
        status = self.daemon.ctl("status")
        assert status["live_calls"] == 0
        assert [trunk["channels_in_use"] for trunk in status["trunks"]] == [0] * len(status["trunks"])
        with closing(Listener(self.running.facts["ari"], self.running.folder)) as pbx:
            until(lambda: not pbx.channels(), CLEARED, "channels are left in Asterisk")
            until(lambda: not pbx.bridges(), CLEARED, "bridges are left in Asterisk")
        until(
            lambda: not list(self.recordings.glob("parts*/*.wav")), CLEARED, "recordings are not made whole"
        )

    def _is_over(self, campaign: str) -> bool:
        return self.ledger.status(campaign) == "completed"

    def contacts(self, campaigns: Sequence[str]) -> dict[str, ContactRow]:
        """The contacts of these campaigns by number."""
        return {
            phone: contact
            for campaign in campaigns
            for phone, contact in self.ledger.contacts(campaign).items()
        }

    def books(self, campaigns: Sequence[str], terms: Terms) -> Books:
        """What the callees saw of campaigns beside what is recorded of them."""
        return compare(self.contacts(campaigns), self.sights(), terms)

    def other_books(self, campaigns: Sequence[str]) -> list[Books]:
        """What the PBX and the disk saw of campaigns beside what is recorded of them."""
        assert self.onlooker is not None
        contacts, others = self.contacts(campaigns), self.ledger.recordings()
        killed = [*self.worker_kills, *(life.ended for life in self.lives if life.ended is not None)]
        settled = self._steady()
        return [
            persons.reckon(contacts, self.onlooker.seen(), settled, self.pbx_kills, self.harms),
            recorded.reckon(
                contacts, self.recordings, killed, self.harms, others, settled, self.worker_kills
            ),
        ]

    def _steady(self) -> list[Span]:
        """When a daemon knew what was going on, and nothing was done to anything around it."""
        lives = [(life.began, math.inf if life.ended is None else life.ended) for life in self.lives]
        connected = self._connected()
        ready = [
            (next((at for at in connected if began <= at < ended), ended) + persons.SETTLED, ended)
            for began, ended in lives
        ]
        return [span for life in ready if life[0] < life[1] for span in without(life, self.harms)]

    def _connected(self) -> list[float]:
        """When a daemon had reached Asterisk, by their log."""
        lines = self.daemon.log.read_text(errors="replace").splitlines()
        told = [json.loads(line) for line in lines if '"ari.recovered"' in line]
        return [datetime.fromisoformat(line["timestamp"]).timestamp() for line in told]

    @property
    def recordings(self) -> Path:
        """The folder of recordings."""
        return self.state / "recordings"

    def sights(self) -> dict[str, list[Sight]]:
        """All that the callees saw so far."""
        return witness.sights(self.log)

    def faults(self) -> list[str]:
        """Lines of the daemon's log that must not be there."""
        lines = self.daemon.log.read_text(errors="replace").splitlines()
        return [line for line in lines if any(fault in line for fault in FAULTS)]

    def resumed(self) -> list[float]:
        """For each life in which a try was opened: seconds from its start to the first one."""
        opened = self.ledger.opened()
        firsts = []
        for life in self.lives[1:]:
            ended = life.ended if life.ended is not None else time.time()
            first = next((at for at in opened if life.began <= at <= ended), None)
            if first is not None:
                firsts.append(first - life.began)
        return firsts


@contextmanager
def stage(
    folder: Path,
    *,
    proxied: bool = False,
    settings: Mapping[str, str] = MappingProxyType({}),
    postgres: Server | None = None,
) -> Iterator[Drill]:
    """A lab whose trunks lead to the phone network, with a daemon that has its script and is ready.

    `proxied` puts a proxy before ARI, one before AMI and one before PostgreSQL. With `postgres` the daemon's store is
    a database there. At the end nothing that the daemons started may be left.
    """
    with ExitStack() as scope:
        network = scope.enter_context(callee.network(folder / "sipp"))
        running = scope.enter_context(lab(folder / "lab", trunk=network.address))
        drill = Drill(running, network.folder / "messages.log", {**_settings(running.env), **settings})
        if postgres is not None:
            keep_in(drill, postgres)
        if proxied:
            interpose(drill, scope)
        drill.onlooker = scope.enter_context(Onlooker(running.facts["ari"]).watching())
        drill.start()
        scope.callback(lambda: drill.daemon.stop())
        drill.daemon.wait_ready()
        script = folder / "drill.yaml"
        script.write_text(HANDOVER)
        drill.daemon.ctl("script", "add", str(script), "--id", "drill")
        yield drill
        drill.daemon.stop()
        until(lambda: not _processes(drill.state), ORPHANED, "a process of the daemon is left")


def _settings(env: Mapping[str, str]) -> dict[str, str]:
    """Two trunks to the same network, so that there is one to fail over to, and records that tell SIP codes."""
    return {
        "DIALERD_ASTERISK__CDR_CAUSES": "true",
        "DIALERD_TRUNKS__SPARE__ENDPOINT": "lab",
        "DIALERD_TRUNKS__SPARE__CALLER_IDS": env["DIALERD_TRUNKS__LAB__CALLER_IDS"],
        "DIALERD_TRUNKS__SPARE__NUMBER_FORMAT": "digits",
        "DIALERD_TRUNKS__SPARE__MAX_CHANNELS": "60",
        "DIALERD_TRUNKS__SPARE__CALLS_PER_SECOND": "20",
        "DIALERD_MEDIA__WORKERS": "2",
        "DIALERD_TRANSFER__MAX_MINUTES": "0.1",
        **{
            f"DIALERD_TRANSFERS__{name}__{key.upper()}": value
            for name, target in TARGETS.items()
            for key, value in target.items()
        },
    }


def interpose(drill: Drill, scope: ExitStack) -> None:
    """Put a proxy before each server that the daemon needs, for daemons started from now on."""
    env = drill.running.env
    drill.ari = scope.enter_context(proxy(urlsplit(env["DIALERD_ASTERISK__ARI_URL"]).port or 0))
    drill.ami = scope.enter_context(proxy(int(env["DIALERD_ASTERISK__AMI_PORT"])))
    drill.settings = {
        **drill.settings,
        "DIALERD_ASTERISK__ARI_URL": f"http://127.0.0.1:{drill.ari.port}",
        "DIALERD_ASTERISK__AMI_PORT": str(drill.ami.port),
    }
    if drill.database is not None:
        port = urlsplit(drill.database).port or 0
        drill.store = scope.enter_context(proxy(port))
        passed = drill.database.replace(f":{port}/", f":{drill.store.port}/")
        drill.settings = {**drill.settings, "DIALERD_STORE__URL": passed}


def keep_in(drill: Drill, postgres: Server) -> None:
    """The daemon's store is a fresh database on this server."""
    drill.database = postgres.empty()
    drill.settings = {**drill.settings, "DIALERD_STORE__URL": drill.database}


def _processes(state: Path) -> list[int]:
    """Processes that were started with this state directory in their environment."""
    mark = f"DIALERD_STATE_DIR={state}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return (Path("/proc") / str(pid) / "cmdline").read_bytes()
    return b""


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(POLL)


def numbers(count: int, series: int, rng: random.Random) -> list[str]:
    """As many numbers, every ending alike, in random order; `series` tells those of one campaign from another's."""
    made = [f"+9198{series:02d}{index // 100:04d}{index % 100:02d}" for index in range(count)]
    rng.shuffle(made)
    return made


def seed(default: int | None = None) -> int:
    """The seed of a drill: KILL_SEED, else `default`, else a new one. It is printed with the outcome."""
    asked = os.environ.get("KILL_SEED")
    if asked is not None:
        return int(asked)
    return default if default is not None else random.SystemRandom().randrange(1_000_000)
