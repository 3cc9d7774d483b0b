"""A link to PostgreSQL that loses what it is told to lose, at the moment that matters: around a COMMIT."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from tests.listening import stop

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""As the driver sends it (PostgreSQL: message formats, Query)."""


class Loss(Enum):
    """What becomes of the next COMMIT; its connection is reset then."""

    REQUEST = "it never arrives"
    ANSWER = "it arrives, and its answer does not come back"


class LossyLink:
    """Listens at `port` and passes everything on to the server's port; made by `lossy`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._ends: set[asyncio.Transport | asyncio.WriteTransport] = set()
        self.port = 0
        self.next_commit: Loss | None = None
        self.stays_down = False
        """Whether nobody gets through after the loss, until `up` is set again."""
        self.up = True
        self.refusals = 0
        """How many connections more are refused."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.up or self.refusals:
            self.refusals = max(0, self.refusals - 1)
            writer.transport.abort()
            return
        answers, server = await asyncio.open_connection("127.0.0.1", self._target)
        ends = {writer.transport, server.transport}
        self._ends |= ends
        back = asyncio.create_task(_pass_on(answers, writer))
        try:
            await self._watch(reader, server, answers, back)
        except OSError:
            pass
        finally:
            back.cancel()
            for end in ends:
                end.abort()
            self._ends -= ends

    async def _watch(
        self,
        reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        back: asyncio.Task[None],
    ) -> None:
        while data := await reader.read(65_536):
            loss = self.next_commit if data == COMMIT else None
            if loss is None:
                server.write(data)
                continue
            self.next_commit = None
            self.up = not self.stays_down
            if loss is Loss.ANSWER:
                back.cancel()
                await asyncio.gather(back, return_exceptions=True)
                server.write(data)
                await answers.read(65_536)
            return

    def reset(self) -> None:
        """End every connection without a farewell."""
        for end in self._ends:
            end.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.transport.abort()


@asynccontextmanager
async def lossy(target: int) -> AsyncIterator[LossyLink]:
    """A link to a port of this machine until the block ends."""
    link = LossyLink(target)
    server = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        await stop(server)
        link.reset()
