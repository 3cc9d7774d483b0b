"""Scripts held against what this installation has: the recordings they name, and the words that can be heard.

It reads files, and runs in a process beside the daemon's own.
"""

from __future__ import annotations

from pathlib import Path

from dialerd.agent.prompts import Prompts
from dialerd.agent.script import Proofs, ScriptDocument, parse_script


def proofread(source: str, prompts_dir: Path | None = None) -> ScriptDocument:
    """The script in `source`. Raises `RequestError` (422) with every fault; `prompts_dir` holds the recordings."""
    return parse_script(source, Proofs(Prompts(prompts_dir).fault, _unheard))


def proofread_words(source: str) -> ScriptDocument:
    """The same where the recordings are not at hand."""
    return parse_script(source, Proofs(word=_unheard))


def _unheard(word: str) -> str:
    # Here, so that only who asks for words loads the recogniser's package.
    from dialerd.agent.keywords import is_word

    return (
        "" if is_word(word) else f"has {word!r}, which is no word that can be recognised: check its spelling"
    )
