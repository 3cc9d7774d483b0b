"""Unmodified pipecat holds calls of a whole daemon as it holds Twilio's: sound, keys, interruption, and hanging up."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e.bot_place import Place, opened
from tests.media.fake_asterisk import free_address
from tests.media.tones import tone
from tests.pipecat import Bot, started

pytestmark = pytest.mark.lab

ACCOUNT = "AC" + "0" * 32


@dataclass
class TwilioPlace(Place):
    """With Twilio's REST interface, and a key for it."""

    api: str
    key: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwilioPlace]:
    folder = tmp_path_factory.mktemp("pipecat")
    port = free_address().port
    api = f"http://127.0.0.1:{port}"
    settings = {
        "DIALERD_HTTP__PORT": str(port),
        "DIALERD_TWILIO__ENGINE": "bot",
        "DIALERD_WEBHOOKS__ALLOW": '["127.0.0.1"]',
    }
    with _bot(folder, api) as bot:
        url = bot.url.replace("http://", "ws://") + "/ws"
        with opened(folder, bot, "twilio-stream", url, **settings) as here:
            made = here.operator.post("/v1/keys", name="bot", scope="write")
            (folder / "key").write_text(made["key"])
            yield TwilioPlace(**vars(here), api=api, key=made["key"])


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


def test_sound_and_keys_reach_pipecat_and_it_hangs_up_over_the_rest_interface(place: TwilioPlace) -> None:
    number = "15550199109"
    call = place.ended(place.call(number))
    assert (call["disposition"], call["reason"], call["engine"]) == ("interested", None, "bot")
    assert call["captured"] == {"key": "5"}
    assert 4.5 < call["duration_seconds"] < 12, "it ended by key 7, long before the callee would"
    place.sound_was_repeated(number, level=1.25, gaps=0.04)


def test_an_interruption_clears_what_pipecat_had_said(place: TwilioPlace) -> None:
    place.key_silences_it("15550199205", least=1.0)


def test_a_call_that_a_bot_places_in_twilios_terms_is_held_and_sent_elsewhere(place: TwilioPlace) -> None:
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


def test_a_bot_that_stalls_or_dies_ends_its_calls_by_name_and_the_daemon_goes_on(place: TwilioPlace) -> None:
    pid = place.daemon.process.pid
    stalled = place.held("15550199400")
    place.bot.process.send_signal(signal.SIGSTOP)
    ended = place.ended(stalled)
    assert (ended["disposition"], ended["reason"]) == ("connected", "engine_failed")
    late = place.ended(place.call("15550199410"))
    assert late["reason"] in ("engine_failed", "abandoned"), "it does not even take the call"
    place.bot.process.send_signal(signal.SIGCONT)
    # Two calls were not held, so it must show that it takes one before it is given more.
    place.until(lambda: place.engine()["healthy"], 60)
    place.death_is_told("15550199420")
    assert place.daemon.process.poll() is None
    assert place.daemon.process.pid == pid
