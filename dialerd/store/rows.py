"""Rows as records of the model and the port: for each record the columns it is read from, and the way back.

Rows come by position, as every driver gives them. Nothing here runs a query.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any, TypeAlias, cast

import orjson
from sqlalchemy import Column

from dialerd.core.clock import Instant, Millis, Mono
from dialerd.core.contact import Contact, ContactState
from dialerd.core.delivery import Delivery, DeliveryNumber, DeliveryState
from dialerd.core.disposition import Reason
from dialerd.core.dnc import DncEntry
from dialerd.core.engine import EMBEDDED, StandIn, Takeover
from dialerd.core.identity import E164, CallId, CampaignId, ChannelId, ContactId, ScriptId, TrunkName
from dialerd.core.model import (
    AgentReport,
    AnsweredBy,
    Call,
    Campaign,
    CampaignStatus,
    Label,
    OnMachine,
    RetryRule,
    Shares,
    Terms,
    Try,
    TryState,
)
from dialerd.core.policy import Halt
from dialerd.core.trunk import TrunkChange
from dialerd.core.webhook import EventKind, Webhook, WebhookId
from dialerd.core.windows import Slot
from dialerd.ports import ApiKey, CallRow, PastCall, Script, TryRow
from dialerd.store.callparts import recording_of, transfer_of
from dialerd.store.tables import (
    DNC_VERSION,
    HALT,
    TRUNK,
    api_keys,
    calls,
    campaigns,
    contacts,
    deliveries,
    dnc,
    scripts,
    tries,
    webhooks,
)

Row: TypeAlias = Sequence[Any]
Columns: TypeAlias = tuple[Column[Any], ...]

CAMPAIGN: Columns = tuple(campaigns.c)
SCRIPT: Columns = tuple(column for column in scripts.c if column is not scripts.c.deleted_at)
KEY: Columns = tuple(api_keys.c)
DNC: Columns = tuple(dnc.c)
WEBHOOK: Columns = tuple(webhooks.c)
DELIVERY: Columns = tuple(deliveries.c)
TRY: Columns = tuple(column for column in tries.c if column is not tries.c.call_id)
CONTACT: Columns = (
    contacts.c.id,
    contacts.c.campaign_id,
    contacts.c.phone,
    contacts.c.name,
    contacts.c.timezone,
    contacts.c.external_id,
    contacts.c.variables,
    contacts.c.state,
    contacts.c.attempts,
    contacts.c.turns,
    contacts.c.refunds,
    contacts.c.not_before,
    contacts.c.disposition,
    contacts.c.reason,
    contacts.c.positive,
    contacts.c.connected_attempt,
    contacts.c.retries,
    contacts.c.callbacks,
    contacts.c.callback_unmet,
    contacts.c.caller_id,
    contacts.c.escalated,
    contacts.c.message_left,
)
CALL: Columns = tuple(column for column in calls.c if column is not calls.c.contact_id)

PAST: Columns = (
    calls.c.id,
    calls.c.phone,
    contacts.c.timezone,
    calls.c.started_at,
    calls.c.disposition,
    calls.c.reason,
    calls.c.duration_ms,
    tries.c.opened_at,
    tries.c.answered_at,
    tries.c.ended_at,
)

_UNREAD = Instant(0)
_CALL_AT = {column.name: place for place, column in enumerate(CALL)}


def campaigns_with_counters(rows: Iterable[Row]) -> list[tuple[Campaign, Mapping[str, int]]]:
    """Campaigns from rows of `CAMPAIGN`, counter key and value; rows of a campaign are neighbours."""
    found: list[tuple[Campaign, Mapping[str, int]]] = []
    for _, group in groupby(rows, key=lambda row: row[0]):
        members = list(group)
        counted = {row[-2]: row[-1] for row in members if row[-2] is not None}
        found.append((_campaign(members[0][:-2]), counted))
    return found


def histories(rows: Iterable[Row]) -> list[tuple[Campaign, Contact]]:
    """Campaigns and contacts from rows of `CAMPAIGN` and `CONTACT`."""
    return [(_campaign(row[: len(CAMPAIGN)]), contacts_of([row[len(CAMPAIGN) :]])[0]) for row in rows]


def _campaign(row: Row) -> Campaign:
    values = dict(zip((column.name for column in CAMPAIGN), row, strict=True))
    caller_id = values["caller_id"]
    values.update(
        status=CampaignStatus(values["status"]),
        trunks=tuple(TrunkName(name) for name in orjson.loads(values["trunks"])),
        caller_id=None if caller_id is None else E164(caller_id),
        keep_open=bool(values["keep_open"]),
        record=bool(values["record"]),
        closing=bool(values["closing"]),
        engine=values["engine"] or EMBEDDED,
        stand_ins=_stand_ins(values["stand_ins"]),
        on_machine=OnMachine(values["on_machine"] or OnMachine.CONTINUE),
        hours=tuple(_slot(slot) for slot in _list(values["hours"])),
        holidays=tuple(_list(values["holidays"])),
        closed=frozenset(date.fromisoformat(day) for day in _list(values["closed"])),
        shares=Shares(**_mapping(values["shares"])),
        retry_rules={
            Reason(reason): RetryRule(**rule) for reason, rule in _mapping(values["retry_rules"]).items()
        },
    )
    return Campaign(**values)


def _slot(value: Mapping[str, Any]) -> Slot:
    return Slot(frozenset(value["days"]), value["start"], value["end"])


def contacts_of(rows: Iterable[Row]) -> list[Contact]:
    """Contacts from rows of `CONTACT`."""
    return [contact(row) for row in rows]


def contact(row: Row, recent: tuple[Instant, ...] = (), read_at: Instant = _UNREAD) -> Contact:
    """A contact from `CONTACT`, and what else is known of it."""
    return Contact(
        id=ContactId(row[0]),
        campaign_id=CampaignId(row[1]),
        phone=E164(row[2]),
        name=row[3],
        timezone=row[4],
        external_id=row[5],
        variables=_mapping(row[6]),
        state=ContactState(row[7]),
        attempts=row[8],
        turns=row[9],
        refunds=row[10],
        not_before=Instant(row[11]),
        disposition=row[12],
        reason=_reason(row[13]),
        positive=bool(row[14]),
        connected_attempt=row[15],
        retries=_mapping(row[16]),
        callbacks=row[17],
        callback_unmet=row[18],
        caller_id=row[19],
        escalated=bool(row[20]),
        message_left=bool(row[21]),
        recent=recent,
        read_at=read_at,
    )


def contacts_and_recent(rows: Iterable[Row], read_at: Instant) -> list[Contact]:
    """Contacts from rows of `CONTACT` and the starts of recent calls to their numbers, with commas between."""
    return [contact(row, _starts(row[-1]) if row[-1] else (), read_at) for row in rows]


def _starts(joined: str) -> tuple[Instant, ...]:
    return tuple(Instant(int(at)) for at in joined.split(","))


def attempt(row: Row) -> Try:
    """A try from `TRY`."""
    return Try(
        number=row[0],
        channel=ChannelId(row[1]),
        trunk=TrunkName(row[2]),
        caller_id=E164(row[3]),
        state=TryState(row[4]),
        boot=row[5],
        opened_at=Instant(row[6]),
        ringing_at=row[7],
        answered_at=row[8],
        ended_at=row[9],
        cause=row[10],
        sip_code=row[11],
    )


def try_row(row: Row) -> TryRow:
    """A try from `TRY`, as the API shows it."""
    number, channel, trunk, caller_id, state, _boot, opened_at, ringing, answered, ended, cause, sip = row
    return TryRow(
        channel=ChannelId(channel),
        number=number,
        trunk=trunk,
        caller_id=caller_id,
        state=state,
        opened_at=Instant(opened_at),
        ringing_at=ringing,
        answered_at=answered,
        ended_at=ended,
        cause=cause,
        sip_code=sip,
    )


def open_calls(rows: Iterable[Row]) -> tuple[Call, ...]:
    """Open calls from rows of `CALL`, `CONTACT`, `TRY`; rows of a call are neighbours, its tries in order."""
    found = []
    for _, group in groupby(rows, key=lambda row: row[0]):
        members = list(group)
        call = _open_call(members[0])
        found.append(replace(call, tries=tuple(attempt(row[-len(TRY) :]) for row in members)))
    return tuple(found)


def _open_call(row: Row) -> Call:
    values = _call_values(row)
    person = row[len(CALL) : len(CALL) + len(CONTACT)]
    return Call(
        id=CallId(values["id"]),
        phone=E164(values["phone"]),
        language=values["language"],
        script_id=ScriptId(values["script_id"]),
        script_version=values["script_version"],
        attempt=values["attempt"],
        tries=(),
        started_at=Instant(values["started_at"]),
        deadline=Mono(0),
        campaign_id=values["campaign_id"],
        contact=None if person[0] is None else contact(person),
        name=values["name"],
        variables=_mapping(values["variables"]),
        callback=bool(values["callback"]),
        gate=_mapping(values["gate"]),
        agent_id=values["agent_id"],
        voice=values["voice"],
        engine=values["engine"] or EMBEDDED,
        stand_ins=_stand_ins(values["stand_ins"]),
        instructions=_mapping(values["instructions"]),
        takeover=Takeover(**taken) if (taken := _mapping(values["takeover"])) else None,
        on_machine=OnMachine(values["on_machine"] or OnMachine.CONTINUE),
        answered_by=AnsweredBy(judged) if (judged := values["answered_by"]) else None,
        message_left=bool(values["message_left"]),
        label=Label(**label) if (label := _mapping(values["label"])) else None,
        report=AgentReport(
            disposition=values["disposition"],
            positive=bool(values["positive"]),
            captured=_mapping(values["captured"]),
            transcript=tuple(_list(values["transcript"])),
            callback_at=values["callback_at"],
        ),
        agent_audio_at=values["agent_audio_at"],
        hangup=_reason(values["cut"]),
        terms=Terms(transfer_to=values["transfer_to"], record=bool(values["record"])),
        transfer=transfer_of(values["transfer"]),
        recording=recording_of(values),
    )


def call_rows(rows: Iterable[Row]) -> list[CallRow]:
    """Calls from rows of `CALL`, the contact's name, `TRY`; rows of a call are neighbours, its tries in order."""
    found = []
    for _, group in groupby(rows, key=lambda row: row[0]):
        members = list(group)
        found.append(_call_row(members[0], [try_row(row[-len(TRY) :]) for row in members]))
    return found


def past_calls(rows: Iterable[Row]) -> list[PastCall]:
    """Past calls from rows of `PAST`; rows of a call are neighbours, its tries in order."""
    last = {row[0]: row for row in rows}
    return [_past_call(row) for row in last.values()]


def _past_call(row: Row) -> PastCall:
    ident, phone, zone, started, disposition, reason, talk, opened, answered, ended = row
    until = answered if answered is not None else ended
    return PastCall(
        CallId(ident),
        E164(phone),
        zone,
        Instant(started),
        max(0, until - opened) if until is not None else 0,
        # Who has reached a machine has talked with nobody.
        talk if answered is not None and reason != Reason.VOICEMAIL else None,
        disposition,
        Reason(reason) if reason is not None else None,
    )


def _call_row(row: Row, attempts: Sequence[TryRow]) -> CallRow:
    values = _call_values(row)
    return CallRow(
        id=CallId(values["id"]),
        campaign_id=values["campaign_id"],
        phone=E164(values["phone"]),
        name=row[len(CALL)] if values["name"] is None else values["name"],
        status=values["status"],
        disposition=values["disposition"],
        reason=values["reason"],
        attempt=values["attempt"],
        counted=bool(values["counted"]),
        language=values["language"],
        script_id=ScriptId(values["script_id"]),
        script_version=values["script_version"],
        started_at=Instant(values["started_at"]),
        answered_at=attempts[-1].answered_at,
        ended_at=values["ended_at"],
        duration_ms=Millis(values["duration_ms"]),
        answered_by=values["answered_by"],
        message_left=bool(values["message_left"]),
        gate=_mapping(values["gate"]),
        captured=_mapping(values["captured"]),
        transcript=_list(values["transcript"]),
        tries=attempts,
        callback=bool(values["callback"]),
        agent_id=values["agent_id"],
        voice=values["voice"],
        engine=values["engine"] or EMBEDDED,
        takeover=_mapping(values["takeover"]) or None,
        instructions=_mapping(values["instructions"]),
        transfer=transfer_of(values["transfer"]),
        recording=recording_of(values),
    )


def _stand_ins(text: str | None) -> tuple[StandIn, ...]:
    return tuple(StandIn(**each) for each in _list(text))


def dnc_entries(rows: Iterable[Row]) -> list[DncEntry]:
    """Entries of the do-not-call list from rows of `DNC`."""
    return [DncEntry(*row) for row in rows]


def patterns(rows: Iterable[Row]) -> Iterable[tuple[str, Instant | None]]:
    """Patterns and their ends, untouched: there may be a million of them."""
    return cast("Iterable[tuple[str, Instant | None]]", rows)


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided of the daemon and its trunks, and how often the do-not-call list was changed."""

    halt: Halt | None
    trunks: tuple[TrunkChange, ...]
    dnc_version: int


def decided(rows: Iterable[Row]) -> Decided:
    """All rows of `state`, in the order of their keys."""
    values = {key: orjson.loads(value) for key, value in rows}
    halt = values.get(HALT)
    return Decided(
        halt=None if halt is None else Halt(halt),
        trunks=tuple(TrunkChange(**value) for key, value in values.items() if key.startswith(TRUNK)),
        dnc_version=values.get(DNC_VERSION, 0),
    )


def scripts_of(rows: Iterable[Row]) -> list[Script]:
    """Script versions from rows of `SCRIPT`."""
    return [_script(row) for row in rows]


def _script(row: Row) -> Script:
    ident, version, name, languages, variables, body, source, created_at = row
    return Script(
        id=ScriptId(ident),
        version=version,
        name=name,
        languages=tuple(orjson.loads(languages)),
        variables=orjson.loads(variables),
        body=orjson.loads(body),
        source=source,
        created_at=Instant(created_at),
    )


def keys(rows: Iterable[Row]) -> list[ApiKey]:
    """API keys from rows of `KEY`."""
    return [ApiKey(*row) for row in rows]


def webhooks_of(rows: Iterable[Row]) -> tuple[Webhook, ...]:
    """Webhooks from rows of `WEBHOOK`."""
    return tuple(_webhook(row) for row in rows)


def _webhook(row: Row) -> Webhook:
    ident, url, events, secret, created_at, description, disabled = row
    return Webhook(
        WebhookId(ident),
        url,
        tuple(orjson.loads(events)),
        secret,
        Instant(created_at),
        description,
        disabled,
    )


def deliveries_of(rows: Iterable[Row]) -> list[Delivery]:
    """Deliveries from rows of `DELIVERY`."""
    return [_delivery(row) for row in rows]


def _delivery(row: Row) -> Delivery:
    (
        number,
        webhook,
        event,
        subject,
        created_at,
        state,
        attempts,
        due_at,
        finished_at,
        status,
        detail,
        body,
    ) = row
    return Delivery(
        number=DeliveryNumber(number),
        webhook=WebhookId(webhook),
        event=EventKind(event),
        subject=subject,
        created_at=Instant(created_at),
        body=body,
        state=DeliveryState(state),
        attempts=attempts,
        due_at=Instant(due_at),
        finished_at=finished_at,
        status=status,
        detail=detail,
    )


def last_delivery(rows: Sequence[Row]) -> DeliveryNumber:
    """The greatest number, 0 if there is none."""
    return DeliveryNumber(only(rows) or 0)


def delivery_counts(rows: Iterable[Row]) -> dict[tuple[WebhookId, DeliveryState], int]:
    """How many there are, by webhook and state."""
    return {(WebhookId(webhook), DeliveryState(state)): count for webhook, state, count in rows}


def only(rows: Sequence[Row]) -> Any:
    """The one value of the one row."""
    ((value,),) = rows
    return value


def first_column(rows: Iterable[Row]) -> list[Any]:
    """The first value of each row."""
    return [row[0] for row in rows]


def rested(rows: Iterable[Row]) -> dict[E164, Instant]:
    """Numbers and when the last call to them ended."""
    return {E164(phone): Instant(ended) for phone, ended in rows}


def shown(rows: Iterable[Row]) -> dict[E164, tuple[tuple[int, int], ...]]:
    """Hours and calls of each caller id; rows of one are neighbours."""
    return {
        E164(number): tuple((hour, calls) for _, hour, calls in group)
        for number, group in groupby(rows, key=lambda row: row[0])
    }


def instants(rows: Iterable[Row]) -> tuple[Instant, ...]:
    """The one column of the rows, instants."""
    return tuple(Instant(at) for (at,) in rows)


def audited(rows: Iterable[Row]) -> tuple[list[tuple[Contact, int]], dict[str, int]]:
    """Groups of contacts, and counters, from rows of `CONTACT`, key and number."""
    groups: list[tuple[Contact, int]] = []
    kept: dict[str, int] = {}
    for *person, key, number in rows:
        if key is None:
            groups.append((contact(person), number))
        else:
            kept[key] = number
    return groups, kept


def _call_values(row: Row) -> dict[str, Any]:
    return {name: row[place] for name, place in _CALL_AT.items()}


def _reason(value: str | None) -> Reason | None:
    return None if value is None else Reason(value)


def _mapping(value: str | None) -> Mapping[str, Any]:
    return {} if value is None else orjson.loads(value)


def _list(value: str | None) -> list[Any]:
    return [] if value is None else orjson.loads(value)
