"""The daemon as a whole: how it stands, all dialing halted and resumed, and its trunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dialerd.core.commands import ChangeTrunk, Command, Panic, PauseDaemon, Refused, ResumeDaemon
from dialerd.core.errors import Fault, PortError, conflict, invalid, not_found
from dialerd.core.model import CampaignStatus
from dialerd.core.trunk import Trunk
from dialerd.engine.campaigns import Carriage
from dialerd.engine.fields import Number, read_model
from dialerd.engine.runtime import Engine
from dialerd.engine.settings import ServiceSettings
from dialerd.engine.status import EngineStatus, Problem
from dialerd.engine.views import page_view, status_view, trunk_view, worker_view
from dialerd.engine.webhooks import Hooks
from dialerd.ports import CampaignFilter, Media, MediaWorker, Page, Store

WELL, OUT = ("connected", "ok"), "out"
"""States of the parts, for who may know no more."""
BY_ORDER = "by order: it is not used until somebody resumes it"


class TrunkFields(BaseModel):
    """What may be changed of a trunk; null for a limit: as configured."""

    model_config = ConfigDict(extra="forbid", strict=True)

    paused: bool | None = Field(
        None, description="false also says that what was wrong with it has been mended"
    )
    max_channels: int | None = Field(None, ge=1, description="never above the configured one")
    calls_per_second: Number | None = Field(None, gt=0, description="never above the configured one")


class Operation:
    """The daemon, for those who operate it."""

    def __init__(
        self, engine: Engine, store: Store, media: Media, settings: ServiceSettings, hooks: Hooks
    ) -> None:
        self._engine = engine
        self._store = store
        self._media = media
        self._settings = settings
        self._hooks = hooks

    # --- how it stands ---------------------------------------------------------------------------

    async def status(self) -> dict[str, Any]:
        """The daemon as it stands; what cannot be read is null."""
        counts: dict[str, int | None] = {}
        for status in CampaignStatus:
            try:
                _, total = await self._store.campaigns(CampaignFilter(status=status), Page(1, 0))
            except PortError:
                counts[status.value] = None
            else:
                counts[status.value] = total
        shown = status_view(self._engine.memory.status(), self._settings.trunks)
        shown["media"]["workers"] = [worker_view(worker) for worker in self._media.standing()]
        return {
            "instance": self._settings.instance,
            "version": self._settings.version,
            **shown,
            "campaigns": counts,
            "webhooks": await self._told(),
        }

    async def _told(self) -> dict[str, int | None]:
        hooks = self._hooks
        waiting = dead = None
        with suppress(PortError):
            standing = await hooks.standing()
            waiting, dead = standing.waiting, standing.dead
        return {"webhooks": hooks.count, "disabled": hooks.disabled, "waiting": waiting, "dead": dead}

    def standing(self) -> EngineStatus:
        """The engine as it stands, for figures."""
        return self._engine.memory.status()

    def media_workers(self) -> Sequence[MediaWorker]:
        """The media workers as they stand, for figures."""
        return self._media.standing()

    def readiness(self, *, in_full: bool) -> tuple[bool, dict[str, Any]]:
        """Whether calls can be placed, and the state of everything that takes.

        What is wrong names addresses and users: it is told `in_full` only to who may know them.
        """
        status = self._engine.memory.status()
        parts = {
            "asterisk": status.asterisk,
            "manager": status.manager,
            "store": status.store,
            "media": status.media,
        }
        if not in_full:
            parts = {name: state if state in WELL else OUT for name, state in parts.items()}
        problems = status.problems if in_full else tuple(map(_in_short, status.problems))
        return status.dialing, {"ready": status.dialing, "problems": [*map(str, problems)], **parts}

    # --- halts -----------------------------------------------------------------------------------

    async def pause(self, *, cancel_ringing: bool) -> Carriage:
        """Place no new calls at all: none leaves after this has returned with nothing in flight."""
        return await self._carry_out(PauseDaemon(cancel_ringing))

    async def resume(self) -> Carriage:
        """Lift a pause or a panic; campaigns that are paused themselves stay so."""
        return await self._carry_out(ResumeDaemon())

    async def panic(self) -> Carriage:
        """Place no new calls at all and hang up every call of ours."""
        return await self._carry_out(Panic())

    async def _carry_out(self, command: Command) -> Carriage:
        carried = await self._engine.command(command)
        if isinstance(carried.answer, Refused):
            raise conflict(carried.answer.detail, state=carried.answer.state)
        return Carriage(await self.status(), carried.in_flight)

    # --- trunks ----------------------------------------------------------------------------------

    def trunks(self, page: Page) -> dict[str, Any]:
        """The trunks in configuration order."""
        shown = status_view(self._engine.memory.status(), self._settings.trunks)["trunks"]
        return page_view(shown[page.offset : page.offset + page.limit], len(shown), page)

    def trunk(self, name: str) -> dict[str, Any]:
        """One trunk. Raises `RequestError` 404."""
        configured = self._configured(name)
        found = next(line for line in self._engine.memory.status().trunks if line.name == configured.name)
        return trunk_view(found, configured)

    async def change_trunk(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Pause or resume a trunk, or set its limits. Raises `RequestError` 404, 422 with every fault."""
        configured = self._configured(name)
        fields, faults = read_model(TrunkFields, given)
        faults += _above(fields.max_channels, configured.max_channels, "max_channels")
        faults += _above(fields.calls_per_second, configured.calls_per_second, "calls_per_second")
        if "paused" in given and given["paused"] is None:
            faults.append(Fault("paused", "must be true or false"))
        if faults:
            raise invalid(faults)
        change = ChangeTrunk(
            configured.name,
            BY_ORDER if fields.paused else None,
            mended=fields.paused is False,
            max_channels=fields.max_channels,
            calls_per_second=fields.calls_per_second,
        )
        if "max_channels" in given and fields.max_channels is None:
            change = replace(change, max_channels=configured.max_channels)
        if "calls_per_second" in given and fields.calls_per_second is None:
            change = replace(change, calls_per_second=configured.calls_per_second)
        await self._engine.command(change)
        return self.trunk(name)

    def _configured(self, name: str) -> Trunk:
        found = next((trunk for trunk in self._settings.trunks if trunk.name == name), None)
        if found is None:
            raise not_found("trunk", name)
        return found


def _in_short(problem: Problem) -> str:
    return problem.detail if problem.part is None else f"{problem.part}: {OUT} (`dialerctl status` tells why)"


def _above(value: float | None, limit: float, loc: str) -> list[Fault]:
    if value is None or value <= limit:
        return []
    return [Fault(loc, f"is above the {limit:g} of the configuration")]
