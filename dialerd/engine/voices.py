"""What this installation can speak, and with which engines of voice agents."""

from __future__ import annotations

from typing import Any

import langcodes

from dialerd.engine.runtime import Engine
from dialerd.engine.settings import ServiceSettings
from dialerd.engine.views import page_view
from dialerd.ports import Page


class Voices:
    """The engines and their languages."""

    def __init__(self, engine: Engine, settings: ServiceSettings) -> None:
        self._engine = engine
        self._settings = settings

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
        status = self._engine.status()
        shown = [
            {
                "engine": engine.name,
                "healthy": status.media_sessions > 0,
                "state": status.media,
                "sessions_in_use": status.live_calls,
                "sessions_limit": status.media_sessions,
                "voices": list(engine.voices),
                "needs_script": True,
            }
            for engine in self._settings.engines[page.offset : page.offset + page.limit]
        ]
        return page_view(shown, len(self._settings.engines), page)
