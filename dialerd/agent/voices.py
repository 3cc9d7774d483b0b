"""The voices this machine has, and which of them speaks a language.

espeak-ng says what it has; langcodes knows which of it a listener of another region understands.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

import langcodes

from dialerd.core.errors import Fault, PortError, invalid

PROGRAM = "espeak-ng"
LIST_DEADLINE = 5.0
NEAR = 10
"""Language distance (CLDR's) up to which a voice is understood: another region is 3 to 5, another script 50."""

_VARIANTS = {"female": "+f3", "male": ""}
_REMEDY = "install espeak-ng (Debian, Ubuntu: apt install espeak-ng), or put it on dialerd's PATH"


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice as espeak-ng names it, speaking `language`."""

    name: str
    language: str


class Voices:
    """The voices of an installed espeak-ng."""

    def __init__(self, files: Mapping[str, str], version: str) -> None:
        """`files`: for each language tag of espeak-ng the file of its voice, as `gmw/en`."""
        self.version = version
        """espeak-ng's own words about itself: prompts of another version sound different."""
        self._tags = {tag.lower(): tag for tag in files if langcodes.tag_is_valid(tag)}
        # Of a tag that is another name of its voice (en-gb of en, fr-fr of fr) espeak-ng 1.51 ignores the variant.
        self._names = {tag: _own_name(tag, file) for tag, file in files.items()}

    @property
    def languages(self) -> tuple[str, ...]:
        """What can be spoken, BCP-47."""
        return tuple(sorted({str(langcodes.standardize_tag(tag)) for tag in self._tags}))

    def choose(self, language: str, character: str = "female") -> Voice:
        """The voice for a language tag. Raises `RequestError` (422) if nothing here speaks it."""
        exact = self._tags.get(language.lower())
        tag, distance = (
            (exact, 0) if exact else langcodes.closest_match(language, list(self._tags), max_distance=NEAR)
        )
        if distance > NEAR:
            raise invalid([Fault("language", f"no voice of this installation speaks {language}")])
        return Voice(f"{self._names[tag]}{_VARIANTS[character]}", language)


def find_voices() -> Voices:
    """Ask espeak-ng what it has. Takes some 20 ms. Raises `PortError` with the remedy if it cannot be used."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise PortError(f"{PROGRAM} is not installed, so nothing can be spoken: {_REMEDY}", retryable=True)
    listed = _ask(program, "--voices")
    files = {words[1]: words[4] for words in map(str.split, listed.splitlines()[1:]) if len(words) > 4}
    if not files:
        raise PortError(f"{PROGRAM} lists no voices: its data is missing; {_REMEDY}", retryable=True)
    return Voices(files, _ask(program, "--version").split("  ")[0].strip())


def _own_name(tag: str, file: str) -> str:
    language = tag.split("-")[0]
    return language if file.rpartition("/")[2] == language else tag


def _ask(program: str, option: str) -> str:
    try:
        done = subprocess.run(
            [program, option],
            capture_output=True,
            timeout=LIST_DEADLINE,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PortError(f"{PROGRAM} does not work ({error}): {_REMEDY}", retryable=True) from error
    return done.stdout.decode(errors="replace")
