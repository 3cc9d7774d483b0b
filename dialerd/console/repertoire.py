"""Who can talk on calls, and what they can say: the agents, engines, scripts and languages that forms let choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dialerd.console import engines
from dialerd.console.api import Api

MOST = 1_000

Item = Mapping[str, Any]


@dataclass
class Repertoire:
    """What there was when a form was opened, each by its id."""

    scripts: Mapping[str, Item]
    agents: Mapping[str, Item]
    engines: Mapping[str, Item]
    languages: Sequence[Item]

    def needs_script(self, engine: str) -> bool:
        """Whether an engine speaks scripts."""
        found = self.engines.get(engine)
        return True if found is None else bool(found["needs_script"])

    def script_names(self, kept: str | None = None) -> dict[str, str]:
        """The scripts for a list; `kept`: one that stays in it, though it is gone."""
        names = {ident: f"{script['name']} ({ident})" for ident, script in self.scripts.items()}
        return _with(names, kept, "there is no such script")

    def agent_names(self, but: str | None = None, kept: str | None = None) -> dict[str, str]:
        """The agents for a list, `but` one."""
        names = {
            ident: f"{agent['agent_name']} ({ident})" for ident, agent in self.agents.items() if ident != but
        }
        return _with(names, kept, "there is no such agent")

    def engine_names(self, kept: str) -> dict[str, str]:
        """The engines for a list."""
        return {
            name: engines.called(name, self.engines.get(name))
            for name in dict.fromkeys([*self.engines, kept])
        }

    def spoken(self, engine: str, script_id: str | None) -> list[str]:
        """Languages that suggest themselves: the script's, else the engine's, else every one that is known."""
        script = self.scripts.get(script_id or "")
        if script is not None:
            return [str(tag) for tag in script["languages"]]
        own = [str(one["language"]) for one in self.languages if engine in one["engines"]]
        return own or [str(one["language"]) for one in self.languages]

    def language_names(self, tags: Iterable[str]) -> dict[str, str]:
        """Languages for a list."""
        # Voices speak en-GB and en-US, scripts en-IN: the language has the same name.
        names = {one["language"].split("-")[0]: one["name"].split(" (")[0] for one in self.languages}
        return {
            tag: f"{names[base]} ({tag})" if (base := tag.split("-")[0]) in names else tag for tag in tags
        }


async def read(api: Api) -> Repertoire:
    """What there is now. Raises `Refused`, `Away`."""
    scripts = await api.everything("/v1/scripts", MOST)
    agents = await api.everything("/v1/agents", MOST)
    languages = await api.everything("/v1/languages", MOST)
    return Repertoire(
        {one["script_id"]: one for one in scripts},
        {one["agent_id"]: one for one in agents},
        await read_engines(api),
        languages,
    )


async def read_engines(api: Api) -> dict[str, Item]:
    """The engines as they are now. Raises `Refused`, `Away`."""
    return {one["engine"]: one for one in await api.everything("/v1/engines", MOST)}


def _with(names: dict[str, str], kept: str | None, said: str) -> dict[str, str]:
    return names if kept is None or kept in names else {**names, kept: f"{kept}: {said}"}
