"""Whether a script tells callees that they are recorded: a warning for whoever creates a campaign, not a proof.

It looks for the word in the language's texts. What the law asks for is for people to know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dialerd.ports import Script

_WORDS = {
    "bn": ("রেকর্ড",),
    "en": ("record",),
    "gu": ("રેકોર્ડ", "રેકૉર્ડ"),
    "hi": ("रिकॉर्ड", "रिकार्ड", "रेकॉर्ड"),
    "kn": ("ರೆಕಾರ್ಡ್", "ಧ್ವನಿಮುದ್ರ"),
    "ml": ("റെക്കോർഡ്", "റെക്കോര്‍ഡ്"),
    "mr": ("रेकॉर्ड", "ध्वनिमुद्र"),
    "pa": ("ਰਿਕਾਰਡ", "ਰਿਕਾਰਡਿੰਗ"),
    "ta": ("பதிவு", "ரெக்கார்ட்"),
    "te": ("రికార్డ్", "రికార్డు"),
    "ur": ("ریکارڈ",),
}
"""Of each language the beginnings of what says so; `record` is understood in all of them."""


def unannounced(script: Script, language: str) -> str | None:
    """What is to be said of a script that does not tell; None: it does."""
    words = ("record", *_WORDS.get(language.partition("-")[0], ()))
    texts = script.body.get("languages")
    said = " ".join(_texts(texts.get(language) if isinstance(texts, Mapping) else texts)).lower()
    if any(word in said for word in words):
        return None
    return (
        f"calls are recorded, and the script {script.id} nowhere says so in {language}: say it where the law asks "
        "for it, or set recording.announcement_required = false"
    )


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from _texts(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _texts(value)
