"""How well spoken keywords are heard: every phrase of the example scripts, and other speech, on telephone audio.

    python -m benchmarks.words [--json]

Synthetic voices (espeak-ng, and flite where it is installed) go the way of a call: mu-law at 8 kHz, the utterance cut
out, the phrases of the state expected. People with accents on bad lines are harder: the figures compare versions.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, report
from dialerd.agent.clips import FRAME
from dialerd.agent.keywords import Recogniser
from dialerd.agent.script import parse_script
from dialerd.agent.speech import encode, render
from dialerd.agent.utterance import Utterances
from scripts.running import ROOT

QUIET = b"\xff" * FRAME
ESPEAK = ("en-gb", "en-us", "en-us+f3", "en-029")
FLITE = ("slt", "rms", "awb")
BESIDE = (
    *(
        "how are you doing",
        "i will ask my wife",
        "what is the interest rate",
        "sunday",
        "eleven",
        "speak louder",
    ),
    *(
        "who gave you this number",
        "my son is at school",
        "the line is bad",
        "tell me more",
        "give me five minutes",
    ),
    *(
        "go away",
        "where is your office",
        "he is not at home",
        "happy new year",
        "what time is it",
        "yesterday",
    ),
    "not now i am busy",
)

Voice = Callable[[str], bytes]


def flite(voice: str, text: str) -> bytes:
    """What flite says, as a RIFF file."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", file.name], check=True)
        return Path(file.name).read_bytes()


def voices() -> list[Voice]:
    """Everybody who speaks here."""
    found: list[Voice] = [partial(render, voice=name, deadline=10) for name in ESPEAK]
    return found + ([partial(flite, name) for name in FLITE] if shutil.which("flite") else [])


def states() -> set[tuple[str, ...]]:
    """What is expected in the states of the example scripts."""
    found: set[tuple[str, ...]] = set()
    for path in sorted((ROOT / "config" / "scripts").glob("*.yaml")):
        flow = parse_script(path.read_text(encoding="utf-8")).flow
        for name in flow.scenes:
            for confirming in (False, True):
                own = flow.phrases(name, confirming=confirming)
                if own:
                    found.add((*own, *flow.heard_everywhere()))
    return found


def measure() -> list[Figure]:
    """Say everything, in every voice, in every state."""
    speakers, recogniser = voices(), Recogniser()
    cut: dict[tuple[int, str], list[bytes]] = {}

    def heard(speaker: int, text: str, phrases: tuple[str, ...]) -> str | None:
        if (speaker, text) not in cut:
            audio = 30 * QUIET + encode(speakers[speaker](text)) + 40 * QUIET
            cut[speaker, text] = Utterances().feed(audio)
        found = (recogniser.recognise(each, phrases) for each in cut[speaker, text] if each)
        return next((phrase for phrase in found if phrase is not None), None)

    said = right = wrong = beside = mistaken = 0
    busy = seconds = 0.0
    for phrases in sorted(states()):
        for speaker in range(len(speakers)):
            begun = time.process_time()
            for text in phrases:
                found = heard(speaker, text, phrases)
                said += 1
                right += found == text
                wrong += found not in (None, text)
            for text in BESIDE:
                beside += 1
                mistaken += heard(speaker, text, phrases) is not None
            busy += time.process_time() - begun
            seconds += sum(len(each) for text in (*phrases, *BESIDE) for each in cut[speaker, text]) / 16_000
    note = f"{len(speakers)} voices, {len(states())} sets of phrases"
    return [
        Figure("phrases heard right", right / said, at_least=0.85, note=f"{right} of {said}; {note}"),
        Figure("phrases taken for another", wrong / said, at_most=0.02, note=f"{wrong} of {said}"),
        Figure(
            "other speech taken for a phrase", mistaken / beside, at_most=0.1, note=f"{mistaken} of {beside}"
        ),
        Figure("processor time for a second of speech", busy / seconds, "s", at_most=0.1),
    ]


def main() -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    print("measuring: phrases in every voice …", file=sys.stderr)
    report("spoken keywords", measure(), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
