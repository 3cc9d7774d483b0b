"""Unmodified pipecat holds calls of a whole daemon as it holds Twilio's: sound, keys, interruption, and hanging up."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.running import Daemon, Lab, daemon, lab
from tests.e2e.operator import Operator
from tests.kill.drill import until
from tests.media.fake_asterisk import free_address
from tests.media.tones import samples, tone
from tests.pipecat import Bot, started

pytestmark = pytest.mark.lab

ACCOUNT = "AC" + "0" * 32


@dataclass
class Place:
    """A daemon with a bot."""

    lab: Lab
    daemon: Daemon
    operator: Operator
    api: str
    key: str
    bot: Bot

    def call(self, number: str, **fields: Any) -> str:
        made = self.operator.post("/v1/calls", phone="+" + number, agent_id="bot", **fields)
        return str(made["id"])

    def ended(self, call: str, seconds: float = 30) -> dict[str, Any]:
        self.until(lambda: self.operator.get(f"/v1/calls/{call}")["status"] != "in_progress", seconds)
        return dict(self.operator.get(f"/v1/calls/{call}"))

    def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        until(lambda: bool(condition()), seconds, "it does not come about")

    def recording(self, number: str, side: str = "heard") -> Any:
        folder = Path(self.lab.facts["cdr"]["carrier"]).parent.parent / "spool" / "monitor"
        return samples(folder / f"{number}-{side}.wav")

    def engine(self) -> dict[str, Any]:
        found = self.operator.get("/v1/engines")["data"]
        return next(dict(one) for one in found if one["engine"] == "bot")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("pipecat")
    port = free_address().port
    api = f"http://127.0.0.1:{port}"
    with _bot(folder, api) as bot, lab(folder / "lab") as found:
        settings = {
            "DIALERD_HTTP__PORT": str(port),
            "DIALERD_DIALING__LEGAL_HOURS": "off",
            "DIALERD_DIALING__MIN_GAP_MINUTES": "0",
            "DIALERD_ENGINES__BOT__KIND": "twilio-stream",
            "DIALERD_ENGINES__BOT__URL": bot.url.replace("http://", "ws://") + "/ws",
            "DIALERD_ENGINES__BOT__MAX_SESSIONS": "4",
            "DIALERD_ENGINES__BOT__CONNECT_SECONDS": "3",
            "DIALERD_TWILIO__ENGINE": "bot",
            "DIALERD_WEBHOOKS__ALLOW": '["127.0.0.1"]',
        }
        with daemon(found, **settings) as process:
            operator = Operator(process.env["DIALERD_CONTROL__SOCKET"])
            made = operator.post("/v1/keys", name="bot", scope="write")
            (folder / "key").write_text(made["key"])
            operator.post("/v1/agents", agent_id="bot", agent_name="Bot", engine="bot", language="en-IN")
            here = Place(found, process, operator, api, made["key"], bot)
            here.until(lambda: here.engine()["healthy"])
            yield here
            operator.close()


@contextmanager
def _bot(folder: Path, api: str) -> Iterator[Bot]:
    environment = {
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_API": api,
        "TWILIO_KEY_FILE": str(folder / "key"),
    }
    arguments = ("-t", "twilio", "-x", "bot.invalid")
    with started("twilio_bot.py", folder / "bot.log", *arguments, environment=environment) as bot:
        yield bot


def test_sound_and_keys_reach_pipecat_and_it_hangs_up_over_the_rest_interface(place: Place) -> None:
    number = "15550199109"
    call = place.ended(place.call(number))
    assert (call["disposition"], call["reason"], call["engine"]) == ("interested", None, "bot")
    assert call["captured"] == {"key": "5"}
    assert 4.5 < call["duration_seconds"] < 12, "it ended by key 7, long before the callee would"
    said, heard = tone(place.recording(number, "said")), place.recording(number)
    assert said is not None
    echo = tone(heard[: int((said.begins + 2.0) * 8_000)])
    assert echo is not None
    assert abs(echo.hertz - 1_000) < 3
    assert 0.8 < echo.level / said.level < 1.25
    # Pipecat paces what it sends itself: on a busy machine a frame of its own may come late. None is lost.
    assert sum(gap for _, gap in echo.gaps) <= 0.04
    assert echo.lasts > 1.0
    assert place.engine()["sessions_in_use"] == 0


def test_an_interruption_clears_what_pipecat_had_said(place: Place) -> None:
    number = "15550199205"
    ident = place.call(number, variables={"mode": "speak"})
    place.until(lambda: place.operator.get(f"/v1/calls/{ident}")["captured"] == {"key": "5"})
    time.sleep(1.0)
    place.operator.post(f"/v1/calls/{ident}/hangup")
    place.ended(ident)
    heard = tone(place.recording(number), 700)
    assert heard is not None
    said = tone(place.recording(number, "said"))
    assert said is not None
    assert heard.begins - said.begins < 2.0
    assert heard.begins + heard.lasts < said.begins + 3.2, "twenty seconds were to be said"
    assert heard.lasts > 1.0


def test_a_call_that_a_bot_places_in_twilios_terms_is_held_and_sent_elsewhere(place: Place) -> None:
    number = "15550199300"
    stream = place.daemon.env["DIALERD_ENGINES__BOT__URL"]

    def twiml(mode: str) -> str:
        parameter = f'<Parameter name="mode" value="{mode}"/>'
        return f'<Response><Connect><Stream url="{stream}">{parameter}</Stream></Connect></Response>'

    calls = f"{place.api}/2010-04-01/Accounts/{ACCOUNT}/Calls"
    with httpx.Client(auth=(ACCOUNT, place.key), trust_env=False) as twilio:
        form = {"To": "+" + number, "From": "+15550100100", "Twiml": twiml("echo")}
        made = twilio.post(f"{calls}.json", data=form)
        assert made.status_code == 201, made.text
        call = f"{calls}/{made.json()['sid']}.json"
        place.until(lambda: twilio.get(call).json()["status"] == "in-progress")
        time.sleep(2.0)
        moved = twilio.post(call, data={"Twiml": twiml("speak")})
        assert moved.status_code == 200, moved.text
        time.sleep(3.0)
        assert twilio.post(call, data={"Status": "completed"}).status_code == 200
        place.until(lambda: twilio.get(call).json()["status"] == "completed")
        assert 4 <= int(twilio.get(call).json()["duration"]) < 15
    heard = place.recording(number)
    echo, spoken = tone(heard, 1_000), tone(heard, 700)
    assert echo is not None
    assert spoken is not None
    assert spoken.begins > echo.begins + 1.0
    assert spoken.begins >= echo.begins + echo.lasts - 0.1, (
        "what the first bot had said is not heard any more"
    )
    assert spoken.lasts > 1.0


def test_a_bot_that_stalls_or_dies_ends_its_calls_by_name_and_the_daemon_goes_on(place: Place) -> None:
    pid = place.daemon.process.pid
    stalled = place.call("15550199400")
    place.until(lambda: place.engine()["sessions_in_use"] == 1)
    place.until(lambda: place.operator.get(f"/v1/calls/{stalled}")["answered_at"] is not None)
    time.sleep(1.0)
    place.bot.process.send_signal(signal.SIGSTOP)
    ended = place.ended(stalled)
    assert (ended["disposition"], ended["reason"]) == ("connected", "engine_failed")
    late = place.ended(place.call("15550199410"))
    assert late["reason"] in ("engine_failed", "abandoned"), "it does not even take the call"
    place.bot.process.send_signal(signal.SIGCONT)
    # Two calls were not held, so it must show that it takes one before it is given more.
    place.until(lambda: place.engine()["healthy"], 60)
    killed = place.call("15550199420")
    place.until(lambda: place.operator.get(f"/v1/calls/{killed}")["answered_at"] is not None)
    time.sleep(1.0)
    place.bot.process.kill()
    ended = place.ended(killed)
    assert (ended["disposition"], ended["reason"]) == ("connected", "engine_failed")
    place.until(lambda: not place.engine()["healthy"])
    assert "Connection refused" in place.engine()["state"]
    status = place.operator.get("/v1/status")
    assert status["live_calls"] == 0
    assert [trunk["channels_in_use"] for trunk in status["trunks"]] == [0] * len(status["trunks"])
    assert place.daemon.process.poll() is None
    assert place.daemon.process.pid == pid
