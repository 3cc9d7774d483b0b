"""What the services know of the installation they run in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from dialerd.core.clock import Millis
from dialerd.core.engine import EMBEDDED
from dialerd.core.transfer import TransferRules
from dialerd.core.trunk import Trunk

HolidayDates = Callable[[str, Iterable[int]], frozenset[date]]
"""The public holidays of a country code (`IN`, `IN-MH`) in some years. Raises `ValueError` telling the codes."""


Languages = Callable[[], Awaitable[Sequence[str]]]
"""What can be spoken, BCP-47. Raises `PortError`."""


class Rehearsal(Protocol):
    """Says one line of a script as callees hear it."""

    async def __call__(
        self,
        body: Mapping[str, Any],
        line: str,
        language: str,
        voice: str | None,
        variables: Mapping[str, Any],
    ) -> bytes:
        """A WAV file. Raises `RequestError` 422 naming what is wrong, `PortError`."""
        ...


@dataclass(frozen=True, slots=True)
class VoiceEngine:
    """An engine that holds conversations, as the settings have it."""

    name: str
    voices: tuple[str, ...]
    languages: Languages
    say: Rehearsal | None = None
    """None: it speaks no scripts, and needs none."""
    kind: str = EMBEDDED
    max_sessions: int = 0
    """0: as many as the media workers hold."""

    @property
    def needs_script(self) -> bool:
        """Whether it speaks scripts."""
        return self.say is not None


@dataclass(frozen=True, slots=True)
class TwilioAccess:
    """What bots that were written for Twilio are given in its place."""

    account_sid: str = ""
    auth_token: str = field(default="", repr=False)
    engine: str | None = None
    """Who holds the calls that they place; None: they may place none."""
    language: str = "en"
    """Of those calls."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is over is kept; None: until somebody deletes it."""

    calls: Millis | None = None
    campaigns: Millis | None = None
    """Since they have finished; with all that belongs to them."""
    audit: Millis | None = None


@dataclass(frozen=True, slots=True)
class RecordingRules:
    """Where recordings are, and how long they are kept; None: until somebody deletes them."""

    folder: Path
    keep: Millis | None = None
    keep_bytes: int | None = None
    announcement_required: bool = True


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The installation."""

    instance: str
    version: str
    trunks: tuple[Trunk, ...]
    """As configured."""
    holiday_dates: HolidayDates
    spool_dir: Path
    """An existing folder for working files."""
    engines: tuple[VoiceEngine, ...]
    retention: Retention = Retention()
    transfers: TransferRules = TransferRules()
    recordings: RecordingRules | None = None
    """None: nothing can be recorded here."""
    twilio: TwilioAccess = TwilioAccess()
    asterisk_amd: bool = False
    """Asterisk's own AMD() is asked who has answered."""
