"""A bot of somebody's own, for calls as Twilio Media Streams brings them: it hums, and says what came of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.media.fake_bot import FakeStream, fake_bot

LABEL = "site_visit"
"""What it says of every call; its agent must declare it."""
_WORD = b"\x10\x90" * 2_000
"""Half a second of a sound."""


async def _sell(stream: FakeStream, message: dict[str, Any]) -> None:
    if message["event"] == "start":
        await stream.speak(_WORD)
        told = {"event": "dialerd", "disposition": LABEL, "hangup": "when_played"}
        await stream.socket.send_str(json.dumps(told))


@contextmanager
def bot() -> Iterator[str]:
    """A bot in a thread of its own until the block ends; gives its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="bot")
    thread.start()
    serving = fake_bot(behave=_sell)
    try:
        made = asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(10)
        yield made.url
        asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
