"""Scripts for tests: one that is right, and ways to make it wrong."""

from __future__ import annotations

from functools import cache
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


VISIT = """\
script_id: visit
name: A visit
variables:
  name: {default: there}
  fee: {type: amount, currency: INR, default: 150000}
dispositions:
  confirmed: {positive: true}
  left_number: {}
no_input: {seconds: 6, repeats: 1, then: nobody}
no_match: {repeats: 1}
limits: {seconds: 120, silence_seconds: 30, then: nobody}
do_not_call: {words: [stop calling, do not call me], goto: stop}
escalation:
  words: [talk to an agent]
  target: queue:desk
  warm: true
  timeout_seconds: 20
  summary: "{{name}} on {{day}}"
  fallback: sorry
states:
  opening:
    keys:
      1: {goto: day, words: [yes, "yes please"], label: Wants a visit}
      2: {goto: later, words: [no]}
      3: rate
      4: escalate
  day:
    question:
      {capture: day, type: date, format: DDMM, within_days: 60, confirm: {yes_words: [correct], no_words: [wrong]}}
    goto: people
  people:
    question: {capture: people, type: number, min: 1, max: 20}
    next:
      - {when: people > 10, goto: escalate}
      - {when: people == 1, goto: alone}
      - {goto: booked}
  alone: {disposition: confirmed, goto: booked}
  booked: {end: confirmed}
  later:
    question: {capture: call_at, type: time, from: "09:00", to: "19:00", callback: true}
    goto: called_back
  called_back: {end: callback_requested}
  rate:
    question:
      capture: rating
      type: choice
      options:
        1: {value: 1, words: [bad]}
        2: 2
        5: {value: 5, words: [good], goto: thanks}
    next:
      - {when: rating <= 2, goto: number}
      - {goto: thanks}
  number:
    question: {capture: contact, type: digits, min_length: 6, max_length: 10}
    no_input: {seconds: 8, repeats: 0, then: thanks}
    goto: noted
  noted: {end: left_number}
  thanks: {end: true}
  sorry:
    goto: later
  stop: {end: dnc}
  nobody: {end: true}
languages:
  en-IN:
    no_input: I did not hear you.
    no_match: That was not clear.
    transferring: Please hold the line.
    say:
      opening: {text: "Hello {{name}}. Press 1 to book, 2 for later, 3 to rate us.", again: Press 1 or 2 or 3.}
      day: {text: Which day? Four digits., confirm: "{{day}}. Press 1 if right, 2 if wrong."}
      people: How many people? Then press hash.
      alone: Just you.
      booked: "Booked for {{day}}. The fee is {{fee}}."
      later: When may we call? Four digits.
      called_back: "We will call at {{call_at}}."
      rate: How were we?
      number: Your number, please.
      noted: We noted {{contact}}.
      thanks: Thank you.
      sorry: Nobody is free.
      stop: Never again.
      nobody: Goodbye.
"""


@cache
def visit() -> ScriptDocument:
    """The script of states above, parsed."""
    return parse_script(VISIT)


UNMET = (
    'later: {text: "When may we call? Four digits.", '
    'unmet: "Not at {{call_at}}, but {{callback_nearest}}, or until {{callback_latest}}."}'
)


@cache
def refusing() -> ScriptDocument:
    """The same, whose callee is told of a callback that cannot be."""
    return parse_script(refusing_text())


def refusing_text() -> str:
    """How that is written."""
    text = VISIT.replace("callback: true}", "callback: true, unmet: never_again}")
    text = text.replace("  called_back: {", "  never_again: {end: true}\n  called_back: {", 1)
    text = text.replace("later: When may we call? Four digits.", UNMET)
    return text.replace("      called_back:", "      never_again: We cannot call.\n      called_back:")
