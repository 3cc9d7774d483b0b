"""Unmodified pipecat holds calls of a whole daemon as it holds a browser's, over WebRTC."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from scripts.running import daemon, lab
from tests.e2e.operator import Operator
from tests.e2e.test_pipecat import Place
from tests.media.lo_address import usable_address
from tests.media.tones import tone
from tests.pipecat import started

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("pipecat")
    with (
        usable_address(),
        started("webrtc_bot.py", folder / "bot.log", "-t", "webrtc") as bot,
        lab(folder / "lab") as found,
    ):
        settings = {
            "DIALERD_DIALING__LEGAL_HOURS": "off",
            "DIALERD_DIALING__MIN_GAP_MINUTES": "0",
            "DIALERD_ENGINES__BOT__KIND": "webrtc",
            "DIALERD_ENGINES__BOT__URL": bot.url + "/start",
            "DIALERD_ENGINES__BOT__MAX_SESSIONS": "4",
            "DIALERD_ENGINES__BOT__CONNECT_SECONDS": "3",
            "DIALERD_ENGINES__BOT__PARAMETERS": '{"bot": "loans"}',
        }
        with daemon(found, **settings) as process:
            operator = Operator(process.env["DIALERD_CONTROL__SOCKET"])
            operator.post("/v1/agents", agent_id="bot", agent_name="Bot", engine="bot", language="en-IN")
            here = Place(found, process, operator, "", "", bot)
            here.until(lambda: here.engine()["healthy"])
            yield here
            operator.close()


def test_sound_keys_and_facts_reach_pipecat_and_it_hangs_up(place: Place) -> None:
    number = "15550199109"
    ident = place.call(number, variables={"loan": 5})
    call = place.ended(ident)
    assert (call["disposition"], call["reason"], call["engine"]) == ("interested", None, "bot")
    captured = call["captured"]
    assert (captured["key"], captured["bot"], captured["loan"]) == ("5", "loans", "5")
    assert (captured["call_id"], captured["to_number"]) == (ident, "+" + number)
    assert 4.5 < call["duration_seconds"] < 15, "it ended by key 7, long before the callee would"
    said, heard = tone(place.recording(number, "said")), place.recording(number)
    assert said is not None
    echo = tone(heard[: int((said.begins + 2.0) * 8_000)])
    assert echo is not None
    assert abs(echo.hertz - 1_000) < 3
    assert 0.89 < echo.level / said.level < 1.12
    # Pipecat paces what it sends itself: on a busy machine frames of its own may come late.
    assert sum(gap for _, gap in echo.gaps) <= 0.1
    assert echo.lasts > 1.0
    assert place.engine()["sessions_in_use"] == 0


def test_a_bot_that_is_interrupted_is_silent_at_once(place: Place) -> None:
    number = "15550199205"
    ident = place.call(number, variables={"mode": "speak"})
    place.until(lambda: place.operator.get(f"/v1/calls/{ident}")["captured"].get("key") == "5")
    time.sleep(1.0)
    place.operator.post(f"/v1/calls/{ident}/hangup")
    place.ended(ident)
    heard, said = tone(place.recording(number), 700), tone(place.recording(number, "said"))
    assert heard is not None
    assert said is not None
    assert heard.begins - said.begins < 2.0
    assert heard.begins + heard.lasts < said.begins + 3.2, "twenty seconds were to be said"
    assert heard.lasts > 0.8


def test_a_bot_that_is_killed_ends_its_call_by_name_and_is_given_no_other(place: Place) -> None:
    killed = place.call("15550199420")
    place.until(lambda: place.engine()["sessions_in_use"] == 1)
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
