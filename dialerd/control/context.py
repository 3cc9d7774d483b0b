"""What the routes share: the service, the keys, and where uploads go."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from dialerd.control.auth import KeyRing
from dialerd.control.observation import Pulse
from dialerd.control.repeats import Repeats
from dialerd.engine.service import Service


@dataclass(frozen=True, slots=True)
class Control:
    """The surroundings of a request."""

    service: Service
    keys: KeyRing
    repeats: Repeats
    spool_dir: Path
    max_bytes: int
    """Bytes of a contact list."""
    pulse: Pulse
    version: str

    @asynccontextmanager
    async def upload(self) -> AsyncIterator[Path]:
        """A path for an upload, gone afterwards."""
        path = self.spool_dir / f"{secrets.token_hex(8)}.upload"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def _control(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


Controlled = Annotated[Control, Depends(_control)]
