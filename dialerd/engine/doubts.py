"""What speaks against a campaign, a call or an agent and does not keep it from being made: told to whoever makes it.

A script that leads to a person where nobody is to be reached, and one that does not tell callees of the recording.
What it says is looked up in its stored form; nothing here is a proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from dialerd.core.engine import EMBEDDED
from dialerd.core.identity import NO_SCRIPT, ScriptId
from dialerd.core.model import Campaign
from dialerd.core.transfer import resolve
from dialerd.engine.scripts import spoken
from dialerd.engine.settings import ServiceSettings
from dialerd.ports import Script, Store, VoiceAgent

_SAYS_SO = re.compile(r"\brecord(ed|ing)?\b", re.IGNORECASE)
"""English alone is looked through: what says so in other languages is for people to know."""

_log = structlog.get_logger("dialerd.engine")


@dataclass(frozen=True, slots=True)
class Spoken:
    """A script as it will be spoken; `language` in the script's own spelling, None: in any that it has."""

    script: Script
    language: str | None

    @property
    def languages(self) -> Sequence[str]:
        """In which it may be spoken."""
        return self.script.languages if self.language is None else (self.language,)


class Doubts:
    """Asked by whoever makes or changes something that speaks."""

    def __init__(self, store: Store, settings: ServiceSettings) -> None:
        self._store = store
        self._settings = settings

    async def of_campaign(self, campaign: Campaign) -> list[str]:
        """What speaks against a campaign as it is, its fallbacks included. Raises `PortError`."""
        pinned = [(campaign.engine, campaign.script_id, campaign.script_version, campaign.language)]
        pinned += [
            (other.engine, ScriptId(other.script_id), other.script_version, other.language)
            for other in campaign.stand_ins
        ]
        said = []
        for engine, ident, version, language in pinned:
            if engine == EMBEDDED and ident != NO_SCRIPT:
                script = await self._store.script(ident, version)
                said += [Spoken(script, language)] if script is not None else []
        told = self.of(said, record=campaign.record, transfer_to=campaign.transfer_to)
        for detail in told:
            _log.warning("campaign.doubtful", campaign=campaign.id, detail=detail)
        return told

    async def of_agent(self, agent: VoiceAgent) -> list[str]:
        """What speaks against an agent, as far as that is told by itself. Raises `PortError`."""
        script = None
        if agent.engine == EMBEDDED and agent.script_id is not None:
            script = await self._store.script(agent.script_id)
        if script is None:
            return []
        language = None if agent.language is None else spoken(script, agent.language)
        return self.of([Spoken(script, language)], record=bool(agent.record), transfer_to=agent.transfer_to)

    def of(self, said: Iterable[Spoken], *, record: bool, transfer_to: str | None) -> list[str]:
        """What speaks against these scripts on a call."""
        told: dict[str, None] = {}
        for one in said:
            told |= dict.fromkeys(self._to_nobody(one.script, transfer_to))
            if record and self._must_announce:
                told |= dict.fromkeys(_unannounced(one))
        return list(told)

    @property
    def _must_announce(self) -> bool:
        rules = self._settings.recordings
        return rules is not None and rules.announcement_required

    def _to_nobody(self, script: Script, transfer_to: str | None) -> Iterator[str]:
        """A script whose callees would hear that they are being connected, and then that nobody is there."""
        wish = script.body.get("escalation")
        if wish is None:
            return
        asked = wish.get("target") if isinstance(wish, Mapping) else None
        rules = self._settings.transfers
        name = asked or transfer_to or rules.default
        if name is None:
            yield (
                f"the script {script.id} leads to a person, and no transfer target is configured: set "
                "transfer.default, a transfer_target, or the script's escalation.target"
            )
        elif resolve(rules, name, None) is None:
            known = ", ".join(sorted(rules.plans)) or "none"
            yield (
                f"the script {script.id} leads to a person at {name!r}, and there is no such transfer target; "
                f"configured are: {known}"
            )


# --- what is said at the beginning ---------------------------------------------------------------


def _unannounced(one: Spoken) -> Iterator[str]:
    script = one.script
    if script.body.get("announces_recording") is True:
        return
    silent = [language for language in one.languages if not announces(script.body, language)]
    if silent:
        shown = ", ".join(silent)
        yield (
            f"calls are recorded, and the script {script.id} does not say so at its beginning in {shown}: give it a "
            "recording_notice there, or announces_recording: true where its opening says so; or, where the law does "
            "not ask for it, set recording.announcement_required = false"
        )


def announces(body: Mapping[str, Any], language: str) -> bool:
    """Whether a script is known to tell of the recording before anything else in `language`."""
    texts = _mapping(_mapping(body.get("languages")).get(language))
    if "recording_notice" in texts:
        return True
    openings = list(_openings(body, texts))
    english = language.partition("-")[0].lower() == "en"
    return english and bool(openings) and all(_SAYS_SO.search(opening) for opening in openings)


def _openings(body: Mapping[str, Any], texts: Mapping[str, Any]) -> Iterator[str]:
    """Whatever may be said first."""
    if "opening" in texts:
        yield _text(texts["opening"])
        return
    states, says = _mapping(body.get("states")), _mapping(texts.get("say"))
    seen: set[str] = set()
    waiting = [body.get("start") or next(iter(states), "")]
    while waiting:
        name = str(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        if name in says:
            yield _text(says[name])
            continue
        about = _mapping(states.get(name))
        branches = about.get("next") if isinstance(about.get("next"), list) else [about]
        waiting += [branch["goto"] for branch in map(_mapping, branches or ()) if "goto" in branch]


def _text(line: Any) -> str:
    """A line as it is first said: what is said when it is repeated is no part of it."""
    if isinstance(line, list | tuple):
        return " ".join(map(_text, line))
    if isinstance(line, Mapping):
        return _text(line.get("text", line.get("parts", "")))
    return str(line)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
