"""A voice agent as its form holds it, and as the API is asked for it. Pure.

What was typed is sent as it was typed: the API says what is wrong with it, and the field that it is about shows it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dialerd.console import once
from dialerd.console.engines import EMBEDDED
from dialerd.console.problem import Fault, Refused

LABELS = "dispositions"
VOICES = {"": "As the script says", "female": "Female", "male": "Male"}
RECORDED = {"": "As each campaign says", "yes": "Yes", "no": "No"}
_RECORDING = {"yes": True, "no": False}
_CUT = 60
"""Letters of a label by which the API names one that cannot be."""
_PLACES = (("cmp", "campaigns"), ("cal", "calls"))


@dataclass
class OwnLabel:
    """A disposition that the agent declares."""

    tag: str = ""
    positive: bool = False
    again: bool = False
    """The contact may be called again."""

    @property
    def name(self) -> str:
        """As it is sent."""
        return self.tag.strip()


@dataclass
class AgentForm:
    """An agent, new or as it is to become; an empty text: not said."""

    name: str = ""
    ident: str = ""
    engine: str = EMBEDDED
    script_id: str | None = None
    language: str = ""
    voice: str = ""
    fallback: str | None = None
    transfer_target: str = ""
    recording: str = ""
    labels: list[OwnLabel] = field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """All but the id; None: the default."""
        return {
            "agent_name": self.name.strip() or None,
            "engine": self.engine,
            "script_id": self.script_id,
            "language": self.language.strip() or None,
            "voice": self.voice or None,
            "fallback": self.fallback,
            "transfer_target": self.transfer_target.strip() or None,
            "recording": _RECORDING.get(self.recording),
            LABELS: {
                label.name: {"positive": label.positive, "terminal": not label.again}
                for label in self.labels
                if label.name
            },
        }

    def new(self) -> dict[str, Any]:
        """The request that makes it."""
        given = {"agent_id": self.ident.strip() or None, **self.fields()}
        return {key: value for key, value in given.items() if value not in (None, {})}

    def changes(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """What differs from the agent that was shown: nothing else is touched, whoever has changed it meanwhile."""
        return {key: value for key, value in self.fields().items() if value != shown[key]}

    def once(self, form: str) -> str:
        """The name of the request that makes exactly this agent: pressed twice, it is made once."""
        return once.name(form, self.new())

    def repeated(self) -> list[Fault]:
        """Labels of which a request can carry only one."""
        counted = Counter(label.name for label in self.labels if label.name)
        return [
            Fault(f"{LABELS}.{name}", "stands here twice") for name, times in counted.items() if times > 1
        ]

    def rows(self, fault: Fault) -> list[int]:
        """The labels, by their place, that a fault is about."""
        head, _, name = fault.loc.partition(".")
        if head != LABELS or not name:
            return []
        return [at for at, label in enumerate(self.labels) if label.name and name in _said(label.name)]


def of_agent(shown: Mapping[str, Any]) -> AgentForm:
    """The form of an agent that there is."""
    words = {value: word for word, value in _RECORDING.items()}
    return AgentForm(
        name=shown["agent_name"],
        ident=shown["agent_id"],
        engine=shown["engine"],
        script_id=shown["script_id"],
        language=shown["language"] or "",
        voice=shown["voice"] or "",
        fallback=shown["fallback"],
        transfer_target=shown["transfer_target"] or "",
        recording=words.get(shown["recording"], ""),
        labels=[
            OwnLabel(tag, about["positive"], not about["terminal"]) for tag, about in shown[LABELS].items()
        ],
    )


def faults(refused: Refused) -> Sequence[Fault]:
    """What is wrong with what was sent, each where it is; none: it is about something else."""
    if refused.problem.get("state") == "exists":
        return [Fault("agent_id", refused.detail)]
    return refused.faults


def users(refused: Refused) -> list[tuple[str, str]]:
    """Who uses an agent that cannot be deleted, and the page of each; none: it is about something else."""
    used_by = refused.problem.get("used_by")
    return [(str(user), _page(str(user))) for user in used_by] if isinstance(used_by, list) else []


def told(label: str, about: Mapping[str, Any]) -> str:
    """A label with what it means."""
    said = [
        "counts as a conversion" if about["positive"] else "",
        "" if about["terminal"] else "the contact may be called again",
    ]
    meaning = ", ".join(filter(None, said))
    return f"{label} ({meaning})" if meaning else label


def _said(name: str) -> tuple[str, str]:
    return name, name[:_CUT]


def _page(user: str) -> str:
    for prefix, place in _PLACES:
        if re.fullmatch(f"{prefix}_[0-9a-f]{{12}}", user):
            return f"/{place}/{user}"
    return f"/agents/{user}"
