"""What cannot be asked of engines to which Asterisk leads straight: dialerd has none of their calls' audio.

Whoever asks for it all the same is refused, since it would silently not be done.
"""

from __future__ import annotations

from collections.abc import Sequence

from dialerd.core.engine import DIRECT
from dialerd.core.errors import Fault
from dialerd.core.model import OnMachine
from dialerd.engine.settings import ServiceSettings, VoiceEngine


def unheard_faults(
    engine: str, settings: ServiceSettings, *, record: bool = False, answering_machine: str = ""
) -> list[Fault]:
    """The faults of what is asked of an engine, by its name. A message is refused by `scripts.message_faults`."""
    if not _is_direct(engine, settings.engines):
        return []
    faults = []
    why = f"Asterisk leads straight to the engine {engine}, and dialerd has no audio of its calls"
    if record:
        faults.append(Fault("recording", f"cannot be: {why}; let the engine record them"))
    if answering_machine == OnMachine.HANG_UP and not settings.asterisk_amd:
        faults.append(
            Fault(
                "answering_machine",
                f"hears nothing: {why}; set media.asterisk_amd = true to have AMD() listen",
            )
        )
    return faults


def _is_direct(name: str, engines: Sequence[VoiceEngine]) -> bool:
    return any(engine.name == name and engine.kind == DIRECT for engine in engines)
