"""Unmodified pipecat holds calls of a whole daemon as it holds a browser's, over WebRTC."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.bot_place import Place, opened
from tests.media.lo_address import usable_address
from tests.pipecat import started

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("pipecat")
    told = {"DIALERD_ENGINES__BOT__PARAMETERS": '{"bot": "loans"}'}
    with (
        usable_address(),
        started("webrtc_bot.py", folder / "bot.log", "-t", "webrtc") as bot,
        opened(folder, bot, "webrtc", bot.url + "/start", **told) as here,
    ):
        yield here


def test_sound_keys_and_facts_reach_pipecat_and_it_hangs_up(place: Place) -> None:
    number = "15550199109"
    ident = place.call(number, variables={"loan": 5})
    call = place.ended(ident)
    assert (call["disposition"], call["reason"], call["engine"]) == ("interested", None, "bot")
    captured = call["captured"]
    assert (captured["key"], captured["bot"], captured["loan"]) == ("5", "loans", "5")
    assert (captured["call_id"], captured["to_number"]) == (ident, "+" + number)
    assert 4.5 < call["duration_seconds"] < 15, "it ended by key 7, long before the callee would"
    place.sound_was_repeated(number, level=1.12, gaps=0.2)


def test_a_bot_that_is_interrupted_is_silent_at_once(place: Place) -> None:
    place.key_silences_it("15550199205", least=0.8)


def test_a_bot_that_is_killed_ends_its_call_by_name_and_is_given_no_other(place: Place) -> None:
    place.death_is_told("15550199420")
