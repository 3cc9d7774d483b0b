"""How calls are to be placed, as requests ask for it: over which trunks, as whom, ringing how long, and for whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from dialerd.core.clock import seconds
from dialerd.core.errors import Fault
from dialerd.core.identity import E164, TrunkName
from dialerd.core.model import OnMachine, Terms
from dialerd.core.transfer import TransferRules
from dialerd.core.trunk import Trunk
from dialerd.engine.fields import Number, Text
from dialerd.engine.transfers import target_faults


class TermsFields(BaseModel):
    """What a campaign, or a call of its own, asks of the trunks."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ring_timeout_seconds: Number = Field(30, ge=1, le=300)
    trunks: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="names, in order of preference"
    )
    caller_id: str | None = Field(None, description="E.164; one of the caller ids of the trunks")
    transfer_target: Annotated[Text, Field(max_length=140)] | None = Field(
        None, description="where its calls are transferred to, if nothing else is said; default: the agent's"
    )
    recording: bool | None = Field(
        None, description="whether its calls are recorded; default: the agent's, or false"
    )
    answering_machine: Literal["continue", "hangup", "message", "ignore"] = Field(
        "continue",
        description="when one is heard: the agent goes on, hangs up, or leaves its message after the tone",
    )

    @property
    def terms(self) -> Terms:
        """The same for the core; only without faults."""
        return Terms(
            seconds(self.ring_timeout_seconds),
            tuple(TrunkName(name) for name in self.trunks or ()),
            None if self.caller_id is None else E164(self.caller_id),
            self.transfer_target,
            bool(self.recording),
        )

    @property
    def on_machine(self) -> OnMachine:
        """The same for the core."""
        return OnMachine(self.answering_machine)


def transfer_faults(fields: TermsFields, rules: TransferRules) -> list[Fault]:
    """What is wrong with the default target of transfers."""
    if fields.transfer_target is None:
        return []
    return [Fault("transfer_target", msg) for msg in target_faults(fields.transfer_target, rules)]


def trunk_faults(fields: TermsFields, trunks: Sequence[Trunk]) -> list[Fault]:
    """What is wrong with trunks and caller id, taken together."""
    faults = []
    usable = list(trunks)
    known = ", ".join(trunk.name for trunk in trunks)
    if fields.trunks is not None:
        usable = [trunk for trunk in trunks if trunk.name in fields.trunks]
        names = {str(trunk.name) for trunk in trunks}
        for index, name in enumerate(fields.trunks):
            if name not in names:
                faults.append(
                    Fault(f"trunks.{index}", f"there is no trunk {name[:60]!r}; there are: {known}")
                )
            elif name in fields.trunks[:index]:
                faults.append(Fault(f"trunks.{index}", f"{name!r} is named twice"))
    if fields.caller_id is not None and usable:
        allowed = [str(number) for trunk in usable for number in trunk.caller_ids]
        if fields.caller_id not in allowed:
            faults.append(
                Fault("caller_id", f"is not a caller id of the trunks; there are: {', '.join(allowed)}")
            )
    return faults
