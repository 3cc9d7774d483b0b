"""An installation served on real sockets, on an uvloop of its own in a thread, as in the daemon."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from dialerd.control.listeners import ApiServer
from tests.control.installation import Installation, installation

DEADLINE = 20.0


@dataclass
class Served:
    """Where the API is reached."""

    inside: Installation
    socket: Path
    url: str
    loop: asyncio.AbstractEventLoop
    server: ApiServer

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        """Run something on the daemon's loop."""
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(DEADLINE)

    def stop(self) -> None:
        """Ask the server to end."""
        self.loop.call_soon_threadsafe(self.server.stop)

    def key(self, scope: str = "admin") -> str:
        made = self.do(self.inside.app.state.control.keys.create("tests", scope))
        return str(made["key"])


@contextmanager
def served(state_dir: Path, group: str = "no-such-group", **options: Any) -> Iterator[Served]:
    """Serve on a free port and a socket under `state_dir` until the block ends; `options`: of the installation."""
    ready = threading.Event()
    box: dict[str, Any] = {}

    async def main() -> None:
        async with installation(state_dir, group=group, **options) as inside:
            server = ApiServer(inside.app, "127.0.0.1", 0, state_dir / "control.sock", group)
            server.bind()
            running = asyncio.create_task(server.run())
            await server.wait_listening()
            host, port = server.address
            loop = asyncio.get_running_loop()
            path = state_dir / "control.sock"
            box["served"] = Served(inside, path, f"http://{host}:{port}", loop, server)
            ready.set()
            await running

    def run() -> None:
        try:
            uvloop.run(main())
        except Exception as error:  # noqa: BLE001 - told to the test in its own thread
            box["error"] = error
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(DEADLINE)
    try:
        if "error" in box:
            raise box["error"]
        yield box["served"]
    finally:
        if thread.is_alive() and "served" in box:
            with suppress(RuntimeError):
                box["served"].stop()
        thread.join(DEADLINE)
    if "error" in box:
        raise box["error"]
