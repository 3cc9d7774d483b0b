"""Scripts for tests: one that is right, and ways to make it wrong."""

from __future__ import annotations

from pathlib import Path

from dialerd.agent.script import ScriptDocument, parse_script

EXAMPLES = Path(__file__).parents[2] / "config" / "scripts"

GOOD = """\
script_id: offer
name: An offer
variables:
  name: {default: there}
  amount: {type: number}
keys:
  1: {disposition: interested, label: Interested}
  2: {disposition: not_interested}
  9: {disposition: dnc}
no_input: {seconds: 5, repeats: 1}
languages:
  en-IN:
    opening: Hello {{name}}. We offer {{amount}} rupees. Press 1, 2 or 9.
    closings: {1: Thank you., 2: Goodbye., 9: Never again.}
    no_input: {repeat: Please press a key., closing: No answer. Goodbye.}
    invalid_key: Not that one.
"""


def good() -> ScriptDocument:
    """The script above, parsed."""
    return parse_script(GOOD)
