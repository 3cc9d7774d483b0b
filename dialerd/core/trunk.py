"""A SIP trunk: what its carrier allows, and what was decided of it since. It does not know what goes over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from dialerd.core.clock import Millis
from dialerd.core.identity import E164, TrunkName
from dialerd.core.model import MU_LAW
from dialerd.core.record import record


@record
class Trunk:
    """A SIP trunk as configured: an Asterisk PJSIP endpoint with the limits agreed with its carrier."""

    name: TrunkName
    endpoint: str
    caller_ids: tuple[E164, ...]
    max_channels: int
    calls_per_second: float
    number_format: str = "e164"
    """`e164` sends `+` and digits, `digits` the digits alone."""
    prefixes: tuple[str, ...] = ("",)
    """Numbers it takes: E.164 digits they may begin with, `""` for all. Of several trunks the longest match wins."""
    strip: str = ""
    """Leading digits that are taken off (after the format), if the number has them."""
    prepend: str = ""
    """Digits that are put in front then: an access code, or a national prefix."""
    codecs: tuple[str, ...] = (MU_LAW,)
    """What its carrier is offered, as Asterisk names codecs; the first decides how its calls are carried."""
    registration: str | None = None
    """The PJSIP registration without which its carrier takes no calls; None: it needs none."""
    adaptive: bool = True
    """Whether the rate follows what the carrier takes (`dialerd.core.adaptive`)."""
    caller_id_cap: int | None = None
    """How many calls a day may show one of its numbers."""
    caller_id_rest: Millis = Millis(0)
    """How long a number rests that is answered much less than the others; 0: never."""
    caller_id_rest_below: float = 0.5
    """Answered so little, as a part of the others' rate."""

    def dialed(self, phone: E164) -> str:
        """The user part of the request URI for `phone`."""
        if self.strip or self.prepend:
            return self.prepend + phone.digits.removeprefix(self.strip)
        return phone.digits if self.number_format == "digits" else str(phone)

    def match(self, phone: E164) -> int | None:
        """How many digits of `phone` its best prefix covers; None: it does not take this number."""
        found = [len(prefix) for prefix in self.prefixes if phone.startswith(prefix, 1)]
        return max(found) if found else None


@record
class TrunkChange:
    """What was decided of a trunk beside its configuration; durable."""

    trunk: TrunkName
    paused: str | None = None
    """Why it must not be used until somebody has mended it and says so."""
    max_channels: int | None = None
    calls_per_second: float | None = None
    """None: as configured."""
    resting: Mapping[str, int] = field(default_factory=dict)
    """Caller ids that are not shown before an instant."""
