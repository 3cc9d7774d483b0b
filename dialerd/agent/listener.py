"""The listener's process: utterances in, phrases out, one after the other. It ends with its standard input.

    python -m dialerd.agent.listener

A request is a line of JSON, `{"number", "phrases", "size"}`, and `size` bytes of sound; the answer is a line of JSON,
`{"number", "phrase"}`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import BinaryIO

from dialerd.agent.keywords import Recogniser

_NICENESS = 5
"""What callees hear comes before what they say."""


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    recogniser = Recogniser()
    while line := requests.readline():
        asked = json.loads(line)
        sound = requests.read(asked["size"])
        phrase = recogniser.recognise(sound, tuple(asked["phrases"]))
        answers.write(json.dumps({"number": asked["number"], "phrase": phrase}).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    os.nice(_NICENESS)
    serve(sys.stdin.buffer, sys.stdout.buffer)
