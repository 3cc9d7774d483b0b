"""Parts of a call that its row holds as text or in columns of their own: its transfer, its recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from dialerd.core.clock import Millis
from dialerd.core.model import Recording
from dialerd.core.transfer import Target, TargetKind, Transfer, TransferState, TransferTrigger


def recording_of(values: Mapping[str, Any]) -> Recording | None:
    """A call's recording from the columns of its row, by name."""
    if not values["recording"]:
        return None
    return Recording(values["recording"], values["recording_bytes"], Millis(values["recording_ms"]))


def transfer_of(text: str | None) -> Transfer | None:
    """A call's transfer from `calls.transfer`."""
    values = {} if text is None else orjson.loads(text)
    if not values:
        return None
    where = values["where"]
    values.update(
        where=None if where is None else Target(TargetKind(where["kind"]), where["name"], where["context"]),
        trigger=TransferTrigger(values["trigger"]),
        tried=tuple(values["tried"]),
        state=TransferState(values["state"]),
    )
    return Transfer(**values)
