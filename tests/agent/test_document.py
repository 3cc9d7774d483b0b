"""Documents that are no such thing as they seem: aliases that stand for billions of parts, two names for one key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dialerd.agent.document import MAX_SIZE, read_yaml
from dialerd.agent.expansion import Expansion
from dialerd.agent.script import parse_script
from dialerd.agent.trial import NotHeld, Trial
from tests.agent.scripts import EXAMPLES, VISIT
from tests.agent.test_script import faults

LEVELS = 60


def bomb(levels: int = LEVELS) -> str:
    """A few lines that stand for ten to the power of `levels` parts."""
    lines = ["  v0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        lines.append(f"  v{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]")
    return "variables:\n" + "\n".join(lines) + "\n"


KEYS = (
    bomb()
    + f"""\
name: x
keys: {{1: {{disposition: interested}}}}
escalation: {{keys: 0, summary: *a{LEVELS - 1}}}
languages: {{en-IN: {{opening: Hi}}}}
"""
)
STATES = bomb() + f"name: x\ndo_not_call: {{goto: stop}}\nstates: *a{LEVELS - 1}\nlanguages: *a{LEVELS - 1}\n"


# Whoever walked these would not come back within the age of the universe.
@pytest.mark.parametrize("text", [KEYS, STATES])
def test_aliases_of_aliases_are_refused_and_not_walked(text: str) -> None:
    assert len(text) < 5_000
    ((place, said),) = faults(text)
    assert place == "variables"
    assert said.startswith("line 1: is too large with its aliases")
    with pytest.raises(NotHeld) as refused:
        Trial(text)
    assert refused.value.faults == [{"loc": place, "msg": said}]


def test_each_part_is_looked_at_once_to_find_out_how_large_a_document_is() -> None:
    looked = 0

    class Counted(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            nonlocal looked
            looked += 1
            return super().__iter__()

    part: Any = "x"
    for _ in range(LEVELS):
        part = Counted([part] * 10)
    size, depth = Expansion().of(part)
    assert (looked, depth) == (LEVELS, LEVELS)
    assert size > 10**LEVELS


def test_what_is_written_out_counts_as_it_is_written() -> None:
    assert Expansion().of({"ab": ["c", 1, None, {"d": ""}]}) == (13, 3)


def test_aliases_that_repeat_little_are_welcome() -> None:
    text = VISIT.replace("I did not hear you.", "&pardon Pardon.").replace(
        "That was not clear.", "*pardon", 1
    )
    assert "*pardon" in text
    parse_script(text)
    assert not read_yaml("a: &a [1, 2]\nb: [*a, *a]\n").faults
    assert read_yaml(f"a: &a {'x' * 1_000}\nb: [{', '.join(['*a'] * (MAX_SIZE // 1_000))}]\n").faults


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_the_examples_are_far_from_the_limit(name: str) -> None:
    node = read_yaml((EXAMPLES / name).read_text(encoding="utf-8"))
    assert Expansion().of(node.value)[0] < MAX_SIZE / 20


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("&a [*a]", "script", "contains itself"),
        ("a: {1: b, '1': c}\n", "a.1", "line 1: is there already"),
        ("%YAML 1.1\n---\na: no\n", "script", "line 1: must be YAML 1.2, not 1.1"),
        ("# mine\n\n%YAML 1.1\n---\na: no\n", "script", "line 3: must be YAML 1.2"),
    ],
)
def test_what_is_not_as_it_seems_is_a_fault(text: str, place: str, words: str) -> None:
    node = read_yaml(text)
    for _, member in list(node.members()) if not node.faults else ():
        list(member.members())
    assert [(fault.loc, words in fault.msg) for fault in node.faults] == [(place, True)]


def test_the_version_that_scripts_have_may_be_written() -> None:
    assert not read_yaml("%YAML 1.2\n---\na: 'no'\n").faults
