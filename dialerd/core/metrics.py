"""The figures of a campaign: progress, dispositions and the six metrics, from one set of counters.

Every counter but the two on talk time is a count of contacts for which a condition holds. `keys` names the
conditions that hold for one contact, so a change of a contact moves the counters by the difference of two
sets, and the counters can always be recomputed from the contacts. Definitions: the API reference, "Campaign
object".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from dialerd.core.clock import Instant, to_datetime
from dialerd.core.contact import Contact, ContactState
from dialerd.core.disposition import CONNECTED, ESCALATED, NOT_REACHABLE
from dialerd.core.model import Call

TALK_MILLIS = "talk_millis"
TALKS = "talks"
"""Answered calls and their answered time: counted per call, not per contact."""
HOUR = "hour:"
ANSWERED, ABANDONED = ":answered", ":abandoned"
_PER_CALL = ("trunk:", "caller_id:", HOUR)
"""How the keys of `per_call` begin."""

_ALWAYS_SHOWN = (CONNECTED, NOT_REACHABLE, "callback_requested", "interested", "not_interested", "dnc")


def keys(contact: Contact) -> tuple[str, ...]:
    """The conditions that hold for `contact`, as counter keys.

    Of a contact these depend on state, attempts, connected attempt, disposition, reason, on whether it is positive,
    whether a person was connected with it and whether a callback is unmet: contacts that are alike in these are
    counted together by audits.
    """
    state = contact.state
    held = ["total", "state:" + state]
    if state is ContactState.SUPPRESSED and not contact.attempts:
        held.append("suppressed")
    if contact.callback_unmet is not None:
        held.append("unmet")
    if contact.attempts:
        held += _called(contact)
    return tuple(held)


def _called(contact: Contact) -> list[str]:
    held = ["called"]
    if contact.attempts > 1:
        held.append("retried")
    if contact.connected_attempt is None:
        if not contact.state.busy:
            held.append(NOT_REACHABLE)
            if contact.reason:
                held.append("reason:" + contact.reason)
        return held
    held.append(CONNECTED)
    if contact.connected_attempt > 1:
        held.append("connected_on_retry")
    if contact.positive:
        held.append("positive")
    if contact.escalated:
        held.append(ESCALATED)
    if contact.disposition and contact.disposition not in (CONNECTED, NOT_REACHABLE):
        held.append("label:" + contact.disposition)
    return held


def moved(before: Contact | None, now: Contact) -> dict[str, int]:
    """How the counters change when a contact does; `before` is None for a new one."""
    deltas = dict.fromkeys(keys(now), 1)
    if before is not None:
        for key in keys(before):
            if key in deltas:
                del deltas[key]
            else:
                deltas[key] = -1
    return deltas


def of_contacts(counters: Mapping[str, int]) -> dict[str, int]:
    """The counters that a recount of the contacts must give: those on calls left out, and zeros."""
    per_calls = (TALKS, TALK_MILLIS)
    return {
        key: value
        for key, value in counters.items()
        if value and key not in per_calls and not key.startswith(_PER_CALL)
    }


def imported(contacts: int, suppressed: int) -> dict[str, int]:
    """How the counters change with new contacts, `suppressed` of them on the do-not-call list."""
    deltas = {"total": contacts, "state:" + ContactState.PENDING: contacts - suppressed}
    if suppressed:
        deltas |= {"state:" + ContactState.SUPPRESSED: suppressed, "suppressed": suppressed}
    return deltas


_HOUR = 3_600_000


@lru_cache(maxsize=64)
def _hour(number: int) -> str:
    return to_datetime(Instant(number * _HOUR)).strftime("%Y-%m-%dT%HZ")


def hour_name(at: Instant) -> str:
    """The hour (UTC) of an instant; names are in the order of time."""
    return _hour(at // _HOUR)


def per_call(call: Call, *, answered: bool, abandoned: bool = False) -> dict[str, int]:
    """What one finished call adds, by its last try's trunk and caller id, and its hour (UTC)."""
    last, hour = call.current, HOUR + hour_name(call.started_at)
    deltas = {}
    for group in (f"trunk:{last.trunk}", f"caller_id:{last.caller_id}", hour):
        deltas[group + ":calls"] = 1
        if answered:
            deltas[group + ANSWERED] = 1
    if abandoned:
        deltas[hour + ABANDONED] = 1
    return deltas


_OF_ALL = ("calls", "answered")
_FIGURES = {"trunk": _OF_ALL, "caller_id": _OF_ALL, "hour": (*_OF_ALL, "abandoned")}


def grouped(counters: Mapping[str, int], kind: str) -> dict[str, dict[str, int]]:
    """The counters of `per_call` under `trunk`, `caller_id` or `hour`, by name."""
    found: dict[str, dict[str, int]] = {}
    for key in sorted(counters):
        if key.startswith(kind + ":"):
            name, _, figure = key.removeprefix(kind + ":").rpartition(":")
            found.setdefault(name, dict.fromkeys(_FIGURES[kind], 0))[figure] = counters[key]
    return found


_UNFINISHED = tuple("state:" + state for state in ContactState if state.waiting or state.busy)


def unfinished(counters: Mapping[str, int]) -> bool:
    """Whether there are contacts that a campaign is not done with."""
    return any(counters.get(key) for key in _UNFINISHED)


def closed_waiting(counters: Mapping[str, int], final: ContactState) -> dict[str, int]:
    """How the counters change when every waiting contact takes the state `final`."""
    deltas: Counter[str] = Counter()
    for state in ContactState:
        count = counters.get("state:" + state, 0)
        if state.waiting and count:
            deltas["state:" + state] = -count
            deltas["state:" + final] += count
    return dict(deltas)


def recount(contacts: Iterable[Contact]) -> dict[str, int]:
    """The counters as the contacts themselves give them: what an audit compares with."""
    return recount_groups((contact, 1) for contact in contacts)


def recount_groups(groups: Iterable[tuple[Contact, int]]) -> dict[str, int]:
    """As `recount`, of groups of contacts that are alike: one of each, and how many they are."""
    total: Counter[str] = Counter()
    for contact, number in groups:
        for key in keys(contact):
            total[key] += number
    return dict(total)


def drift(counters: Mapping[str, int], counted: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Where counters differ from a recount: key → (kept, counted). Empty: they are in step."""
    kept = of_contacts(counters)
    differing = sorted(key for key in kept.keys() | counted.keys() if kept.get(key, 0) != counted.get(key, 0))
    return {key: (kept.get(key, 0), counted.get(key, 0)) for key in differing}


@dataclass(frozen=True, slots=True)
class Figures:
    """Counters in the terms of the API."""

    progress: dict[str, int]
    dispositions: dict[str, int]
    breakdown: list[dict[str, object]]
    metrics: dict[str, float | int | None]
    reasons: dict[str, int]
    by_trunk: dict[str, dict[str, int]]
    by_caller_id: dict[str, dict[str, int]]
    by_hour: dict[str, dict[str, int]]


def figures(counters: Mapping[str, int]) -> Figures:
    """Progress, dispositions, breakdown and metrics of one campaign."""

    def count(key: str) -> int:
        return counters.get(key, 0)

    def in_state(state: ContactState) -> int:
        return count("state:" + state)

    called, connected = count("called"), count(CONNECTED)
    suppressed = count("suppressed")
    progress = {
        "total_contacts": count("total"),
        "called": called,
        "pending": count("total") - called - suppressed,
        "in_progress": in_state(ContactState.DIALING) + in_state(ContactState.IN_CALL),
        "retry_waiting": in_state(ContactState.RETRY_WAITING),
        "callback_waiting": in_state(ContactState.CALLBACK_WAITING),
        "suppressed": suppressed,
        "finished": in_state(ContactState.FINISHED),
        "expired": in_state(ContactState.EXPIRED),
        "cancelled": in_state(ContactState.CANCELLED),
        "callback_unmet": count("unmet"),
    }
    dispositions = dict.fromkeys(_ALWAYS_SHOWN, 0)
    dispositions[CONNECTED] = connected
    dispositions[NOT_REACHABLE] = count(NOT_REACHABLE)
    for key, value in counters.items():
        if key.startswith("label:") and value:
            dispositions[key.removeprefix("label:")] = value
    breakdown: list[dict[str, object]] = [
        {"disposition": label, "count": value, "percentage": _percentage(value, called)}
        for label, value in dispositions.items()
        if value
    ]
    metrics: dict[str, float | int | None] = {
        "connect_rate": ratio(connected, called),
        "avg_call_duration_seconds": mean_seconds(count(TALK_MILLIS), count(TALKS)),
        "conversion_rate": ratio(count("positive"), connected),
        "conversion_rate_of_called": ratio(count("positive"), called),
        "retry_rate": ratio(count("connected_on_retry"), called),
        "retried_rate": ratio(count("retried"), called),
        "escalation_rate": ratio(count(ESCALATED), connected),
        "abandoned_rate": ratio(_abandoned(counters), count(TALKS)),
    }
    reasons = {
        key.removeprefix("reason:"): value
        for key, value in counters.items()
        if key.startswith("reason:") and value
    }
    groups = (grouped(counters, kind) for kind in ("trunk", "caller_id", "hour"))
    return Figures(progress, dispositions, breakdown, metrics, reasons, *groups)


def _abandoned(counters: Mapping[str, int]) -> int:
    return sum(count for key, count in counters.items() if key.endswith(ABANDONED))


def ratio(part: int, whole: int) -> float | None:
    """To three places; None: of nothing."""
    return round(part / whole, 3) if whole else None


def _percentage(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None


def mean_seconds(millis: int, calls: int) -> float | int | None:
    """Seconds a call, to a tenth; None: without any call."""
    if not calls:
        return None
    mean = round(millis / 1000 / calls, 1)
    return int(mean) if mean == int(mean) else mean
