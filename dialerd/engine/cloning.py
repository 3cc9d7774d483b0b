"""A new campaign from an old one: its settings but for what is said otherwise, and those of its contacts that are left.

The contacts pass what a new list passes: the do-not-call list as it is now, and the variables that the script needs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from dialerd.core.contact import Contact
from dialerd.core.errors import Fault, invalid
from dialerd.core.journal import RequestDone
from dialerd.core.leftovers import Leftover
from dialerd.core.model import Campaign
from dialerd.engine.admission import Admission, Admitted
from dialerd.engine.contactlist import refuse_faulty
from dialerd.engine.draft import CampaignFields
from dialerd.engine.views import campaign_view
from dialerd.ports import NewContact, Store

_LONGEST_NAME = 255
_COPY = " (copy)"
_OF_LISTS = ("default_region",)
"""Fields of a campaign request that mean nothing where no list is given."""


@dataclass(slots=True)
class TakenOver:
    """What became of the contacts of the old campaign (`contactlist.ListReport`)."""

    received: int = 0
    accepted: int = 0
    invalid_rows: list[dict[str, Any]] = field(default_factory=list)
    duplicates: int = 0
    refusals: Sequence[Fault] = ()
    duplicates_json: bytes = b"[]"
    warnings_json: bytes = b"[]"

    @property
    def invalid(self) -> int:
        """Contacts that lack a variable of the script."""
        return len(self.invalid_rows)

    @property
    def faults(self) -> int:
        """The same: a contact has one fault."""
        return len(self.invalid_rows)

    @property
    def faults_json(self) -> bytes:
        """`[{loc, msg}]`."""
        rows = self.invalid_rows
        return orjson.dumps([{"loc": f"contacts.{row['line']}", "msg": row["reason"]} for row in rows])

    @property
    def invalid_json(self) -> bytes:
        """`[{line, phone, reason}]`; a line is a place among the contacts taken over."""
        return orjson.dumps(self.invalid_rows)


class Cloning:
    """Makes campaigns from campaigns."""

    def __init__(self, admission: Admission, store: Store) -> None:
        self._admission = admission
        self._store = store

    async def clone(
        self, source: Campaign, given: Mapping[str, Any], done: RequestDone | None = None
    ) -> Admitted:
        """Admit a copy of `source`. Raises `RequestError` naming every fault, `PortError`; then nothing is stored."""
        which, faults = _chosen(given.get("contacts"))
        faults += [Fault(name, "means nothing here: no list is given") for name in _OF_LISTS if name in given]
        overrides = {name: value for name, value in given.items() if name not in ("contacts", *_OF_LISTS)}
        judged = await self._admission.judge({**_inherited(source), **_merged(source, overrides)})
        report = TakenOver()
        faults += judged.faults
        if faults:
            raise invalid(faults)
        taken = self._contacts(source, which, judged.required, report, skip=judged.skips_invalid)
        return await self._admission.admit(judged, taken, report, done=done, cloned_from=source.id)

    async def _contacts(
        self, source: Campaign, which: Leftover, required: frozenset[str], report: TakenOver, *, skip: bool
    ) -> AsyncIterator[list[NewContact]]:
        """Those that are taken over, in list order. Raises `RequestError` behind the last one if one cannot be."""
        behind: tuple[int, ...] | None = () if which is not Leftover.NONE else None
        while behind is not None:
            found, behind = await self._store.leftovers(source.id, which, behind)
            chunk = [new for new in (_new(contact, required, report) for contact in found) if new]
            if chunk:
                yield chunk
        if which is not Leftover.NONE and not report.received:
            raise invalid([Fault("contacts", f"the campaign has none to take over ({which})")])
        if report.received:
            refuse_faulty([], report, skip_invalid=skip, what="contacts")


def _new(contact: Contact, required: frozenset[str], report: TakenOver) -> NewContact | None:
    report.received += 1
    brought = set(contact.variables) | {"phone"}
    brought |= {name for name in ("name", "timezone", "external_id") if getattr(contact, name) is not None}
    missing = sorted(required - brought)
    if missing:
        reason = f"{', '.join(missing)}: the script needs it and gives no default"
        report.invalid_rows.append({"line": report.received, "phone": contact.phone, "reason": reason})
        return None
    report.accepted += 1
    person = (contact.phone, contact.name, contact.timezone, contact.external_id)
    return NewContact(*person, dict(contact.variables))


def _chosen(value: object) -> tuple[Leftover, list[Fault]]:
    try:
        return Leftover(value if value is not None else Leftover.UNREACHED), []  # type: ignore[arg-type]
    except ValueError:
        return Leftover.NONE, [Fault("contacts", f"must be one of: {', '.join(Leftover)}")]


def _inherited(source: Campaign) -> dict[str, Any]:
    """The fields of a request that would make such a campaign, its times left out: those of the old one are over."""
    view = campaign_view(source, {}, [])
    fields = {name: view.get(name) for name in CampaignFields.model_fields}
    fields["name"] = view["name"][: _LONGEST_NAME - len(_COPY)] + _COPY
    fields["schedule"] = _days(view["schedule"]) or None
    return {name: value for name, value in fields.items() if value not in (None, [], {})}


def _merged(source: Campaign, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What is said otherwise; of a schedule field by field, as in an edit."""
    schedule = overrides.get("schedule")
    if not isinstance(schedule, Mapping):
        return dict(overrides)
    before = _days(campaign_view(source, {}, [])["schedule"])
    merged = {name: value for name, value in {**before, **schedule}.items() if value is not None}
    return {**overrides, "schedule": merged}


def _days(schedule: Mapping[str, Any]) -> dict[str, Any]:
    return {name: schedule[name] for name in ("timezone", "hours", "holidays") if schedule[name]}
