"""Scripts: stored, shown, and made ready for calls that will speak them."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import langcodes

from dialerd.core.errors import Fault, InvariantError, PortError, conflict, invalid, not_found
from dialerd.core.model import ScriptId
from dialerd.engine.views import page_view, script_view
from dialerd.ports import Clock, Media, Page, Script, Store

PREPARE_DEADLINE = 120.0
"""Seconds for a script's prompts to be rendered."""

_CHOSEN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ParsedScript(Protocol):
    """A script text that was understood."""

    @property
    def script_id(self) -> str | None:
        """The id it chooses for itself."""
        ...

    @property
    def name(self) -> str:
        """Its name for people."""
        ...

    @property
    def languages(self) -> Sequence[str]:
        """Languages it has all texts for, BCP-47."""
        ...

    @property
    def variables(self) -> Mapping[str, Any]:
        """Variable → `{"default": …}`, or `{}` where the contact must bring it."""
        ...

    @property
    def body(self) -> Mapping[str, Any]:
        """The validated document, as it is stored."""
        ...


class ScriptParser(Protocol):
    """Understands script texts, outside this process where that may take long."""

    async def __call__(self, source: str) -> ParsedScript:
        """The script in `source`. Raises `RequestError` (422) with every fault."""
        ...


class Scripts:
    """The scripts of this installation."""

    def __init__(self, store: Store, media: Media, clock: Clock, parse: ScriptParser) -> None:
        self._store = store
        self._media = media
        self._clock = clock
        self._parse = parse

    async def add(self, source: str, chosen_id: str | None, name: str | None) -> dict[str, Any]:
        """Store a script as version 1, under the chosen id, else the one in its text, else a new one.

        Raises `RequestError`: 422 with every fault, 409 if the id is taken.
        """
        if chosen_id is not None and not _CHOSEN_ID.fullmatch(chosen_id):
            raise invalid([Fault("script_id", "must be 1 to 64 letters, digits, '_' or '-'")])
        parsed = await self._parse(source)
        ident = ScriptId(chosen_id or parsed.script_id or f"scr_{secrets.token_hex(6)}")
        taken = conflict(f"there is a script {ident!r} already; choose another script_id", state="exists")
        if await self._store.script(ident) is not None:
            raise taken
        script = Script(
            id=ident,
            version=1,
            name=name or parsed.name,
            languages=tuple(parsed.languages),
            variables=dict(parsed.variables),
            body=parsed.body,
            source=source,
            created_at=self._clock.now().wall,
        )
        try:
            await self._store.add_script(script)
        except InvariantError:
            raise taken from None
        return script_view(script)

    async def show(self, ident: str) -> dict[str, Any]:
        """The newest version of a script. Raises `RequestError` 404."""
        script = await self._store.script(ScriptId(ident))
        if script is None:
            raise not_found("script", ident)
        return script_view(script)

    async def page(self, page: Page) -> dict[str, Any]:
        """A page of scripts, newest versions."""
        found, total = await self._store.scripts(page)
        return page_view([script_view(script) for script in found], total, page)

    async def chosen(self, script_id: str | None, language: str | None) -> tuple[Script | None, list[Fault]]:
        """The newest version of the script a request names, and what is wrong with script and language together."""
        if script_id is None:
            return None, []
        script = await self._store.script(ScriptId(script_id))
        if script is None:
            return None, [Fault("script_id", f"there is no script {script_id!r}")]
        if language is not None and spoken(script, language) is None:
            speaks = ", ".join(script.languages)
            msg = f"the script {script.id} has no texts for {language}; it has: {speaks}"
            return script, [Fault("language", msg)]
        return script, []

    async def pinned(self, script_id: ScriptId, version: int) -> Script:
        """The version that a campaign was created with. Raises `InvariantError` if it is gone."""
        script = await self._store.script(script_id, version)
        if script is None:
            raise InvariantError(f"version {version} of the script {script_id} is gone")
        return script

    async def prepare(self, script: Script, language: str) -> None:
        """Have the prompts ready before calls need them. Raises `PortError`, `RequestError` (no voice speaks it)."""
        try:
            async with asyncio.timeout(PREPARE_DEADLINE):
                await self._media.prepare(script, language)
        except TimeoutError:
            raise PortError(
                f"the prompts of {script.id} were not ready in {PREPARE_DEADLINE:g} s", retryable=True
            ) from None


def spoken(script: Script, language: str) -> str | None:
    """The script's own spelling of `language`: case means nothing in a tag, and some have an older form."""
    wanted = (language.lower(), str(langcodes.standardize_tag(language)).lower())
    return next((tag for tag in script.languages if tag.lower() in wanted), None)


def required(script: Script | None, language: str | None) -> frozenset[str]:
    """Variables that every contact must bring: those without a default, of the script or of its language."""
    if script is None:
        return frozenset()
    texts = script.body.get("languages", {})
    tag = spoken(script, language) if language is not None else None
    texts = texts.get(tag) if isinstance(texts, Mapping) else None
    defaults = texts.get("defaults") or {} if isinstance(texts, Mapping) else {}
    return frozenset(
        name
        for name, about in script.variables.items()
        if "default" not in (about or {}) and name not in defaults
    )
