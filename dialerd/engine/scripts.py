"""Scripts: stored, shown, and made ready for calls that will speak them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import langcodes

from dialerd.core.engine import EMBEDDED
from dialerd.core.errors import Fault, InvariantError, PortError, conflict, invalid, not_found
from dialerd.core.identity import ScriptId
from dialerd.core.journal import Deed, RequestDone
from dialerd.core.model import OnMachine
from dialerd.engine.deeds import deed
from dialerd.engine.fields import NOT_AN_ID, is_chosen_id
from dialerd.engine.runtime import Engine
from dialerd.engine.views import page_view, script_view
from dialerd.ports import Clock, Media, Page, Script, Store

PREPARE_DEADLINE = 120.0
"""Seconds for a script's prompts to be rendered."""


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

    def __init__(self, engine: Engine, store: Store, media: Media, clock: Clock, parse: ScriptParser) -> None:
        self._engine = engine
        self._store = store
        self._media = media
        self._clock = clock
        self._parse = parse

    async def add(
        self, source: str, chosen_id: str | None, name: str | None, done: RequestDone | None = None
    ) -> dict[str, Any]:
        """Store a new script, under the chosen id, else the one in its text, else a new one.

        Raises `RequestError`: 422 with every fault, 409 if the id is taken.
        """
        if chosen_id is not None and not is_chosen_id(chosen_id):
            raise invalid([Fault("script_id", NOT_AN_ID)])
        parsed = await self._parse(source)
        ident = ScriptId(chosen_id or parsed.script_id or f"scr_{secrets.token_hex(6)}")
        taken = conflict(f"there is a script {ident!r} already; choose another script_id", state="exists")
        if await self._store.script(ident) is not None:
            raise taken
        # One that is deleted keeps its versions: no number is given twice.
        version = await self._store.script_versions(ident) + 1
        script = self._version(ident, version, source, parsed, name or parsed.name)
        try:
            noted = None if done is None else _made(done, script)
            await self._store.add_script(script, noted, self._deed("script.created", script))
        except InvariantError:
            if await self._store.script(ident) is None:
                raise
            raise taken from None
        return script_view(script)

    async def validate(self, source: str) -> dict[str, Any]:
        """A script as it was understood. Nothing is stored. Raises `RequestError` 422 with every fault."""
        parsed = await self._parse(source)
        return {
            "script_id": parsed.script_id,
            "name": parsed.name,
            "languages": list(parsed.languages),
            "variables": dict(parsed.variables),
            "body": dict(parsed.body),
        }

    async def replace(self, ident: str, source: str, name: str | None) -> dict[str, Any]:
        """Store a new version of a script; a text that is its newest version already makes none.

        Raises `RequestError`: 404, 409 if others replace it at the same time, 422 with every fault.
        """
        parsed = await self._parse(source)
        if parsed.script_id not in (None, ident):
            raise invalid([Fault("script_id", f"is {parsed.script_id!r} in the text; this is {ident!r}")])
        newest = await self.newest(ident)
        name = name or parsed.name
        if (newest.source, newest.name) == (source, name):
            return script_view(newest)
        script = self._version(newest.id, newest.version + 1, source, parsed, name)
        try:
            await self._store.add_script(script, None, self._deed("script.replaced", script))
        except InvariantError:
            if await self._store.script_versions(script.id) < script.version:
                raise
            detail = f"somebody else has replaced the script {ident} at the same time: read it again"
            raise conflict(detail, state="replaced") from None
        return script_view(script)

    async def delete(self, ident: str) -> None:
        """Delete a script. Raises `RequestError`: 404, 409 while a live campaign, a call or an agent uses it."""
        script = await self.newest(ident)
        users = [
            *self._engine.memory.users(script=script.id),
            *await self._store.agents_naming(script=script.id),
        ]
        if users:
            raise conflict(
                f"the script {ident} is used by {', '.join(users[:5])}", state="used", used_by=users
            )
        told = self._deed("script.deleted", script)
        if not await self._store.delete_script(script.id, told.at, told):
            raise not_found("script", ident)

    def _deed(self, action: str, script: Script) -> Deed:
        return deed(self._clock, action, script.id, name=script.name, version=script.version)

    async def show(self, ident: str, version: int | None = None) -> dict[str, Any]:
        """The newest version of a script, or one of them. Raises `RequestError` 404."""
        if version is None:
            return script_view(await self.newest(ident))
        script = await self._store.script(ScriptId(ident), version)
        if script is None:
            raise not_found(f"version {version} of a script", ident)
        return script_view(script)

    async def newest(self, ident: str) -> Script:
        """The newest version of a script. Raises `RequestError` 404."""
        script = await self._store.script(ScriptId(ident))
        if script is None:
            raise not_found("script", ident)
        return script

    def _version(self, ident: ScriptId, version: int, source: str, parsed: ParsedScript, name: str) -> Script:
        return Script(
            id=ident,
            version=version,
            name=name,
            languages=tuple(parsed.languages),
            variables=dict(parsed.variables),
            body=parsed.body,
            source=source,
            created_at=self._clock.now().wall,
        )

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

    async def prepare(self, script: Script, language: str, voice: str | None = None) -> None:
        """Have the prompts ready before calls need them; `voice` None: in the script's own.

        Raises `PortError`, `RequestError` (no voice speaks it).
        """
        try:
            async with asyncio.timeout(PREPARE_DEADLINE):
                await self._media.prepare(script, language, voice)
        except TimeoutError:
            raise PortError(
                f"the prompts of {script.id} were not ready in {PREPARE_DEADLINE:g} s", retryable=True
            ) from None


def _made(done: RequestDone, script: Script) -> RequestDone:
    return replace(done, made=script.id, note=str(script.version))


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


def kinds(script: Script | None) -> dict[str, str]:
    """The types of a script's variables, of those that are declared with one."""
    declared = script.body.get("variables") if script is not None else None
    if not isinstance(declared, Mapping):
        return {}
    return {
        name: str(about["type"])
        for name, about in declared.items()
        if isinstance(about, Mapping) and about.get("type") is not None
    }


def message_faults(answering_machine: str, script: Script | None, language: str, engine: str) -> list[Fault]:
    """What keeps a message from being left on answering machines, if one is to be."""
    if answering_machine != OnMachine.MESSAGE:
        return []
    if engine != EMBEDDED:
        return [
            Fault("answering_machine", f"no message: what the engine {engine} would leave is not known here")
        ]
    languages = script.body.get("languages") if script is not None else None
    texts = languages.get(language, {}) if isinstance(languages, Mapping) else {}
    if script is None or "voicemail" in texts:
        return []
    msg = f"no message: the script {script.id} has no `voicemail` text in {language}"
    return [Fault("answering_machine", msg)]
