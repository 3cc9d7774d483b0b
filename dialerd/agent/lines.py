"""What is said: a line is parts, each spoken by a voice or played from a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dialerd.agent.document import Scalar
from dialerd.agent.text import parse_template


@dataclass(frozen=True, slots=True)
class Part:
    """A text, and the recording of it where there is one: the name of a WAV file in the prompts' folder."""

    text: str
    audio: str | None = None


Line = tuple[Part, ...]
NEAREST_CALLBACK, LATEST_CALLBACK = "callback_nearest", "callback_latest"
"""Values of the line that is said where nobody can call back when the callee asked for it: the first time after that
at which somebody could, or the last before; and the last of all."""
VOICEMAIL = "voicemail"
"""The line that is left on an answering machine."""
RECORDING_NOTICE = "recording_notice"
"""The line that is said before all others on a call that is recorded."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Everything said in one language: the lines by name, in the order in which a call needs them."""

    lines: Mapping[str, Line]
    voice: str = "female"
    defaults: Mapping[str, Scalar] = field(default_factory=dict)
    """Defaults of variables where this language needs others."""
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """How values are said in this language: by name, then by value."""


def written(line: Line) -> Any:
    """A line as a script has it: a text, a text with its recording, or a list of these."""
    parts = [part.text if part.audio is None else {"text": part.text, "audio": part.audio} for part in line]
    return parts[0] if len(parts) == 1 else parts


def names_in(line: Line) -> frozenset[str]:
    """The values that a line needs."""
    return frozenset(name for part in line for name in parse_template(part.text).names)
