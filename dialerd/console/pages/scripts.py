"""The list of scripts, and the upload of a new one."""

from __future__ import annotations

from nicegui import ui
from starlette.requests import Request

from dialerd.console import listing, wording
from dialerd.console.blocks import Words, box
from dialerd.console.context import Console
from dialerd.console.frame import PATIENCE, SCRIPTS, Frame, nothing
from dialerd.console.listing import Column
from dialerd.console.pages.script_upload import ScriptUpload

MOST = 500
_COLUMNS = (
    Column("name", "Script", "link"),
    Column("ident", "Id", "wrap"),
    Column("version", "Version", "number"),
    Column("languages", "Languages", "wrap"),
    Column("created", "Stored"),
)


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/scripts", response_timeout=PATIENCE)
    async def scripts(request: Request) -> None:
        login = console.login_of(request)
        assert login is not None
        frame = Frame(console, login, SCRIPTS, "Scripts")
        await frame.show(Scripts(frame).read, nothing)


class Scripts:
    """What the page shows."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        with frame.content:
            Words("h1", "Scripts")
            Words(
                "div",
                "What the voice agent says and asks, in each language. A campaign keeps the "
                "version that it was created with.",
                "soft",
            )
            with box("card"):
                self._table = listing.plain(_COLUMNS, [])
                self._none = Words("div", "There is no script here yet.", "soft")
            if frame.login.writes:
                ScriptUpload(frame, None)

    async def read(self) -> None:
        """Read the scripts. Raises `Refused`, `Away`."""
        found = await self._frame.api.everything("/v1/scripts", MOST)
        listing.fill(
            self._table,
            [
                {
                    "name": script["name"],
                    "href": f"/scripts/{script['script_id']}",
                    "ident": script["script_id"],
                    "version": script["version"],
                    "languages": ", ".join(script["languages"]),
                    "created": wording.clock(script["created_at"]) + " UTC",
                }
                for script in found
            ],
        )
        self._table.set_visibility(bool(found))
        self._none.set_visibility(not found)
