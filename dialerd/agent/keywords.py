"""English keywords: which words there are, and what of a short utterance is one of the phrases that were expected.

PocketSphinx with a grammar of just those phrases, and its acoustic model, which the package brings. Blocking and
slow (a tenth of the utterance's length and more): for a process beside the worker (`dialerd.agent.listener`).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pocketsphinx import get_model_path

_DICTIONARY = Path("en-us", "cmudict-en-us.dict")


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    text = Path(get_model_path(), _DICTIONARY).read_text(encoding="utf-8")
    return frozenset(line.partition(" ")[0] for line in text.splitlines())


def is_word(text: str) -> bool:
    """Whether the recogniser knows how `text` is pronounced."""
    return text in _words()
