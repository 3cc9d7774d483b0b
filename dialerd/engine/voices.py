"""What this installation can speak, and with which engines of voice agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import langcodes

from dialerd.core.engine import EMBEDDED
from dialerd.core.errors import Fault, InvariantError, invalid
from dialerd.engine.runtime import Engine
from dialerd.engine.scripts import Scripts, spoken
from dialerd.engine.settings import ServiceSettings, VoiceEngine
from dialerd.engine.status import EngineUse
from dialerd.engine.views import page_view
from dialerd.ports import Page


class Voices:
    """The engines and their languages."""

    def __init__(self, engine: Engine, settings: ServiceSettings, scripts: Scripts) -> None:
        self._engine = engine
        self._settings = settings
        self._scripts = scripts

    async def say(
        self, ident: str, line: str, language: str | None, voice: str | None, given: Sequence[str]
    ) -> bytes:
        """A line of a script as callees hear it, a WAV file; `given`: `NAME=VALUE` of its variables.

        `language` None: the script's first. Raises `RequestError` 404, and 422 naming every fault, `PortError`.
        """
        script = await self._scripts.newest(ident)
        tag = spoken(script, language) if language is not None else script.languages[0]
        faults = [Fault("variable", f"{one[:60]!r} is not NAME=VALUE") for one in given if "=" not in one]
        if tag is None:
            faults.append(
                Fault("language", f"the script has no texts for it; it has: {', '.join(script.languages)}")
            )
        if faults or tag is None:
            raise invalid(faults)
        values = dict(one.split("=", 1) for one in given)
        (engine,) = (one for one in self._settings.engines if one.name == EMBEDDED)
        if engine.say is None:
            raise InvariantError("the embedded engine speaks no scripts")
        return await engine.say(script.body, line, tag, voice, values)

    async def languages(self, page: Page) -> dict[str, Any]:
        """A page of what can be spoken, by language. Raises `PortError` if that cannot be found out."""
        engines: dict[str, list[str]] = {}
        for engine in self._settings.engines:
            for tag in await engine.languages():
                engines.setdefault(tag, []).append(engine.name)
        voices = {engine.name: engine.voices for engine in self._settings.engines}
        tags = sorted(engines)
        shown = [
            {
                "language": tag,
                "name": langcodes.Language.get(tag).display_name(),
                "engines": engines[tag],
                "voices": sorted({voice for name in engines[tag] for voice in voices[name]}),
            }
            for tag in tags[page.offset : page.offset + page.limit]
        ]
        return page_view(shown, len(tags), page)

    def engines(self, page: Page) -> dict[str, Any]:
        """A page of the engines: whether each can hold calls, how many it holds and can hold."""
        status = self._engine.memory.status()
        unknown = EngineUse(0, 0, status.media if not status.media_sessions else "nothing is known of it yet")
        shown = [
            _view(engine, status.engines.get(engine.name, unknown))
            for engine in self._settings.engines[page.offset : page.offset + page.limit]
        ]
        return page_view(shown, len(self._settings.engines), page)


def _view(engine: VoiceEngine, use: EngineUse) -> dict[str, Any]:
    return {
        "engine": engine.name,
        "kind": engine.kind,
        "healthy": use.sessions > 0,
        "state": use.detail or "ok",
        "sessions_in_use": use.in_use,
        "sessions_limit": use.sessions,
        "max_sessions": engine.max_sessions or None,
        "voices": list(engine.voices),
        "needs_script": engine.needs_script,
    }
