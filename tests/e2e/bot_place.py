"""A whole daemon whose calls an unmodified pipecat bot holds, and what every such bot must do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.running import Daemon, Lab, daemon, lab
from tests.e2e.operator import Operator
from tests.kill.drill import until
from tests.media.tones import samples, tone
from tests.pipecat import Bot


@dataclass
class Place:
    """A daemon with a bot."""

    lab: Lab
    daemon: Daemon
    operator: Operator
    bot: Bot

    def call(self, number: str, **fields: Any) -> str:
        made = self.operator.post("/v1/calls", phone="+" + number, agent_id="bot", **fields)
        return str(made["id"])

    def held(self, number: str) -> str:
        """A call that the bot holds."""
        ident = self.call(number)
        self.until(lambda: self.engine()["sessions_in_use"] == 1)
        self.until(lambda: self.operator.get(f"/v1/calls/{ident}")["answered_at"] is not None)
        time.sleep(1.0)
        return ident

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

    # --- what every bot must do ----------------------------------------------------------------------

    def sound_was_repeated(self, number: str, level: float, gaps: float) -> None:
        """The callee's 1,000 Hz came back: at most `level` times as loud or as soft, with `gaps` seconds missing.

        Pipecat paces what it sends itself: on a busy machine frames of its own may come late.
        """
        said, heard = tone(self.recording(number, "said")), self.recording(number)
        assert said is not None
        echo = tone(heard[: int((said.begins + 2.0) * 8_000)])
        assert echo is not None
        assert abs(echo.hertz - 1_000) < 3
        assert 1 / level < echo.level / said.level < level
        assert sum(gap for _, gap in echo.gaps) <= gaps
        assert echo.lasts > 1.0
        assert self.engine()["sessions_in_use"] == 0

    def key_silences_it(self, number: str, least: float) -> None:
        """A bot that speaks for twenty seconds is heard for `least` seconds, and not after a key was pressed."""
        ident = self.call(number, variables={"mode": "speak"})
        self.until(lambda: self.operator.get(f"/v1/calls/{ident}")["captured"].get("key") == "5")
        time.sleep(1.0)
        self.operator.post(f"/v1/calls/{ident}/hangup")
        self.ended(ident)
        heard, said = tone(self.recording(number), 700), tone(self.recording(number, "said"))
        assert heard is not None
        assert said is not None
        assert heard.begins - said.begins < 2.0
        assert heard.begins + heard.lasts < said.begins + 3.2, "twenty seconds were to be said"
        assert heard.lasts > least

    def death_is_told(self, number: str) -> None:
        """A bot that is killed ends its call by name, is given no other, and leaves nothing."""
        killed = self.held(number)
        self.bot.process.kill()
        ended = self.ended(killed)
        assert (ended["disposition"], ended["reason"]) == ("connected", "engine_failed")
        self.until(lambda: not self.engine()["healthy"])
        assert "Connection refused" in self.engine()["state"]
        status = self.operator.get("/v1/status")
        assert status["live_calls"] == 0
        assert [trunk["channels_in_use"] for trunk in status["trunks"]] == [0] * len(status["trunks"])


@contextmanager
def opened(folder: Path, bot: Bot, kind: str, url: str, **settings: str) -> Iterator[Place]:
    """A lab and a daemon that has the bot as an engine of a `kind`, at `url`."""
    about = {
        "DIALERD_DIALING__LEGAL_HOURS": "off",
        "DIALERD_DIALING__MIN_GAP_MINUTES": "0",
        "DIALERD_ENGINES__BOT__KIND": kind,
        "DIALERD_ENGINES__BOT__URL": url,
        "DIALERD_ENGINES__BOT__MAX_SESSIONS": "4",
        "DIALERD_ENGINES__BOT__CONNECT_SECONDS": "3",
        **settings,
    }
    with lab(folder / "lab") as found, daemon(found, **about) as process:
        operator = Operator(process.env["DIALERD_CONTROL__SOCKET"])
        operator.post("/v1/agents", agent_id="bot", agent_name="Bot", engine="bot", language="en-IN")
        here = Place(found, process, operator, bot)
        here.until(lambda: here.engine()["healthy"])
        yield here
        operator.close()
