"""The script: what the embedded agent says, what it takes for an answer, and what each answer leads to.

A script is a YAML 1.2 document in one of two forms: with `keys`, the simple one (`keys_form`), or with `states`
(`states_form`). It is read with every fault at once, and kept as a plain JSON-able body from which the same script
can be read again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dialerd.agent import keys_form, soundness, states_form
from dialerd.agent.document import Node, read_yaml
from dialerd.agent.flow import Flow
from dialerd.agent.keys_form import KeysForm, read_tags
from dialerd.agent.lines import Texts
from dialerd.agent.state_lines import StateLines
from dialerd.agent.states_form import StatesForm, plain_body, silenced
from dialerd.agent.vocabulary import MAX_LABEL, VOICES, Proofs, Variable, Vocabulary, without_none
from dialerd.core.errors import InvariantError, invalid

__all__ = ["VOICES", "Proofs", "ScriptDocument", "Variable", "from_body", "parse_script"]

NO_PROOFS = Proofs()
"""Any recording and any word will do."""

ANNOUNCES = "announces_recording"
"""Says that the opening tells callees of the recording, which is for people to know."""
_IDENT = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ScriptDocument:
    """A script that was understood. `body` is JSON-able, and `from_body` makes the same script of it."""

    script_id: str | None
    name: str
    declared: Mapping[str, Variable]
    captures: Mapping[str, Variable]
    """What its questions capture."""
    flow: Flow
    texts: Mapping[str, Texts]
    body: Mapping[str, Any]

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages it has all texts for, BCP-47."""
        return tuple(self.texts)

    @property
    def variables(self) -> Mapping[str, Any]:
        """Variable → `{"default": …}`, or `{}` where the contact must bring it."""
        return {
            name: {} if variable.default is None else {"default": variable.default}
            for name, variable in self.declared.items()
        }


def parse_script(text: str, proofs: Proofs = NO_PROOFS) -> ScriptDocument:
    """The script in `text`. Raises `RequestError` (422) with every fault and, where known, its line.

    `proofs` knows the recordings and words that this installation has; without it, any will do.
    """
    node = read_yaml(text)
    script = _read(node, proofs) if not node.faults else None
    if node.faults or script is None:
        raise invalid(node.faults)
    return script


def from_body(body: Mapping[str, Any]) -> ScriptDocument:
    """The script whose `body` this is. Raises `InvariantError` if it is no such body."""
    node = Node(body, "", None, [])
    script = _read(node, NO_PROOFS)
    if node.faults or script is None:
        faults = "; ".join(f"{fault.loc} {fault.msg}" for fault in node.faults)
        raise InvariantError(f"a stored script cannot be read: {faults}")
    return script


def _read(root: Node, proofs: Proofs) -> ScriptDocument | None:
    """The script; None or incomplete where faults were noted."""
    words = Vocabulary(proofs)
    full = isinstance(root.value, Mapping) and "states" in root.value
    form = states_form if full else keys_form
    top = root.fields(form.FIELDS, required=form.REQUIRED)
    ident = _ident(top["script_id"]) if "script_id" in top else None
    name = top["name"].text(MAX_LABEL) if "name" in top else None
    if "variables" in top:
        words.read_variables(top["variables"])
    if "dispositions" in top:
        words.read_dispositions(top["dispositions"])
    announces = bool(top[ANNOUNCES].flag()) if ANNOUNCES in top else False
    flow, texts, body = _read_states(root, top, words) if full else _read_keys(top, words)
    if root.faults or name is None:
        return None
    if not full:
        body = _head(ident, name, words) | ({ANNOUNCES: True} if announces else {}) | body
    return ScriptDocument(ident, name, words.variables, words.captures, flow, texts, body)


_Course = tuple[Flow, Mapping[str, Texts], dict[str, Any]]


def _read_keys(top: Mapping[str, Node], words: Vocabulary) -> _Course:
    form = KeysForm(words)
    form.read(top)
    return form.flow(), form.texts, form.body()


def _read_states(root: Node, top: Mapping[str, Node], words: Vocabulary) -> _Course:
    form = StatesForm(root, words)
    flow = silenced(form.read(top), _told(top.get("languages")))
    texts: dict[str, Texts] = {}
    tags: dict[str, str] = {}
    found = read_tags(top["languages"]) if "languages" in top else []
    for language, about in found:
        reader = StateLines(words, flow, _silent(flow))
        said = reader.read(about)
        if language is not None and said is not None:
            texts.setdefault(language, said)
            tags[about.path.removeprefix("languages.")] = language
            if not root.faults:
                for line, value in soundness.uncaptured(flow, said, frozenset(words.captures)):
                    reader.places[line].fault(
                        f"says {{{{{value}}}}}, which may not have been captured by then"
                    )
    if not root.faults:
        for scene, wrong in soundness.check(flow):
            form.place(scene).fault(wrong)
    return flow, texts, {} if root.faults else plain_body(root, tags)


def _told(languages: Node | None) -> frozenset[str]:
    """The states with a text in some language."""
    about = languages.value if languages is not None else None
    told = about.values() if isinstance(about, Mapping) else ()
    says = [each.get("say") for each in told if isinstance(each, Mapping)]
    return frozenset(str(name) for say in says if isinstance(say, Mapping) for name in say)


def _silent(flow: Flow) -> frozenset[str]:
    return frozenset(name for name, scene in flow.scenes.items() if scene.say is None)


def _ident(node: Node) -> str | None:
    text = node.text(MAX_LABEL)
    if text is not None and not _IDENT.fullmatch(text):
        node.fault("must be 1 to 64 letters, digits, '_' or '-'")
        return None
    return text


def _head(ident: str | None, name: str, words: Vocabulary) -> dict[str, Any]:
    return {
        **({"script_id": ident} if ident is not None else {}),
        "name": name,
        "variables": {
            each: without_none(type=about.kind, default=about.default, currency=about.currency)
            for each, about in words.variables.items()
        },
        "dispositions": {
            tag: {} if positive is None else {"positive": positive}
            for tag, positive in words.dispositions.items()
        },
    }
