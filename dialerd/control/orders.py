"""Orders that halt dialing or let it go on: their options, and how they are answered."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse

from dialerd.engine.campaigns import Carriage


class NoOptions(BaseModel):
    """An order that is carried out in one way only."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Start(NoOptions):
    """How a campaign is started."""

    now: bool = False


class Pause(NoOptions):
    """How dialing is halted."""

    ringing: Literal["continue", "cancel"] = "continue"

    @property
    def cancels_ringing(self) -> bool:
        """Whether phones that ring stop ringing."""
        return self.ringing == "cancel"


class Stop(Pause):
    """How a campaign is ended for good."""

    calls: Literal["finish", "hangup"] = "finish"

    @property
    def hangs_up(self) -> bool:
        """Whether live calls end too."""
        return self.calls == "hangup"


def answered(carriage: Carriage) -> JSONResponse:
    """A command's answer; 202 while originates sent before it may still show themselves."""
    if carriage.in_flight:
        return JSONResponse({**carriage.shown, "in_flight": carriage.in_flight}, 202)
    return JSONResponse(carriage.shown)
