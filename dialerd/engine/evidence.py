"""Gathers what Asterisk still knows of tries that nobody watched: live channels and call records.

A record tells what happened, so it is passed on at once. Absence tells something only after a while, and only
when two looks agree. What either means is decided elsewhere (`dialerd.core.reconcile`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from dialerd.core.clock import SECOND
from dialerd.core.effects import Announce, SeekEvidence
from dialerd.core.errors import PortError
from dialerd.core.identity import ChannelId
from dialerd.core.messages import EvidenceFound
from dialerd.ports import Sink, Telephony

SECOND_LOOK = 0.5
"""Seconds between two looks for a try, of which both must find nothing before it counts as absent."""


async def seek(
    order: SeekEvidence, telephony: Telephony, sink: Sink, listener: Callable[[Announce], None]
) -> None:
    """Post what is found of the tries asked about; nothing if Asterisk cannot be asked.

    Then it is asked again after the next reconnect, or when a call's deadline comes.
    """
    try:
        if order.delay:
            order = await _tell_recorded(order, telephony, sink, listener)
            await asyncio.sleep(order.delay / SECOND)
        if order.channels:
            sink(await _look_twice(order, telephony, listener))
    except PortError:
        return


async def _tell_recorded(
    order: SeekEvidence, telephony: Telephony, sink: Sink, listener: Callable[[Announce], None]
) -> SeekEvidence:
    """Post what has a record already; returns the order for the rest."""
    try:
        found = await _look(order, telephony, listener)
    except PortError:
        return order
    told = (order.channels & _recorded(found)) - found.live
    if told:
        sink(replace(found, asked=told))
    return replace(order, channels=order.channels - told)


async def _look_twice(
    order: SeekEvidence, telephony: Telephony, listener: Callable[[Announce], None]
) -> EvidenceFound:
    """What there is; a second look decides about what the first has not found.

    A channel is gone a moment before its record is written, and one may still be coming.
    """
    found = await _look(order, telephony, listener)
    if not found.asked - found.live - _recorded(found):
        return found
    await asyncio.sleep(SECOND_LOOK)
    again = await _look(order, telephony, listener)
    return replace(again, live=again.live | (found.live - _recorded(again)))


async def _look(
    order: SeekEvidence, telephony: Telephony, listener: Callable[[Announce], None]
) -> EvidenceFound:
    live = await telephony.live_channels()
    try:
        records, readable = await telephony.call_records(order.channels), True
    except PortError as error:
        listener(Announce("recovery.cdr_unreadable", {"detail": str(error)}))
        records, readable = (), False
    return EvidenceFound(
        boot=order.boot,
        asked=order.channels,
        live=frozenset(found.channel for found in live),
        records=records,
        records_readable=readable,
    )


def _recorded(found: EvidenceFound) -> frozenset[ChannelId]:
    return frozenset(record.channel for record in found.records)
