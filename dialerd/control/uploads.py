"""A campaign as multipart/form-data: the part `campaign` in memory, the part `contacts` straight to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from dialerd.control import bodies
from dialerd.core.errors import Fault, invalid

OVERHEAD = 256 * 1024
"""Bytes beside the contacts: the other part, boundaries, headers."""
LIST = "the contact list"


class _Parts:
    """Takes the parser's callbacks, which cannot wait."""

    def __init__(self, contacts: BinaryIO, max_bytes: int) -> None:
        self.campaign: bytearray | None = None
        self.contacts_bytes: int | None = None
        self.faults: list[Fault] = []
        self.ended = False
        """The closing boundary was seen: nothing is missing at the end."""
        self._contacts = contacts
        self._max_bytes = max_bytes
        self._part: str | None = None
        self._header: list[bytes] = [b"", b""]
        self._disposition = b""

    def on_part_begin(self) -> None:
        self._disposition = b""
        self._part = None

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def on_header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = [b"", b""]

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name == "campaign" and self.campaign is None:
            self.campaign = bytearray()
        elif name == "contacts" and self.contacts_bytes is None:
            self.contacts_bytes = 0
        else:
            twice = name in ("campaign", "contacts")
            msg = "given twice" if twice else "unknown part; there are campaign and contacts"
            self.faults.append(Fault(name[:60] or "(part without a name)", msg))
            return
        self._part = name

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part == "campaign" and self.campaign is not None:
            self.campaign += data[start:end]
            if len(self.campaign) > bodies.SMALL:
                raise bodies.too_large(bodies.SMALL, "the part campaign")
        elif self._part == "contacts" and self.contacts_bytes is not None:
            self.contacts_bytes += end - start
            if self.contacts_bytes > self._max_bytes:
                raise bodies.too_large(self._max_bytes, LIST)
            self._contacts.write(data[start:end])

    def on_end(self) -> None:
        self.ended = True


async def receive(request: Request, contacts: Path, max_bytes: int) -> dict[str, Any]:
    """Store the part `contacts` at `contacts` and return the object in the part `campaign`.

    Raises `RequestError`: 400 malformed, 413, 422 for missing or unknown parts; `PortError` if the disk is full.
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if not boundary:
        raise bodies.malformed("the Content-Type names no multipart boundary")
    try:
        with contacts.open("xb") as file:
            parts = _Parts(file, max_bytes)
            await _feed(request, boundary, parts, max_bytes)
    except OSError as error:
        raise bodies.disk_refused(error) from error
    faults = parts.faults
    if parts.campaign is None:
        faults.append(Fault("campaign", "required: a part with the campaign's fields as JSON"))
    if parts.contacts_bytes is None:
        faults.append(Fault("contacts", "required: a part with the contacts as CSV"))
    if faults or parts.campaign is None:
        raise invalid(faults)
    return bodies.parse_object(bytes(parts.campaign), "the part campaign")


async def _feed(request: Request, boundary: bytes, parts: _Parts, max_bytes: int) -> None:
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": parts.on_part_begin,
                "on_header_field": parts.on_header_field,
                "on_header_value": parts.on_header_value,
                "on_header_end": parts.on_header_end,
                "on_headers_finished": parts.on_headers_finished,
                "on_part_data": parts.on_part_data,
                "on_end": parts.on_end,
            },
        )
        refusal = bodies.too_large(max_bytes, LIST)
        async for chunk in bodies.chunks(request, max_bytes + OVERHEAD, refusal):
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise bodies.malformed(f"the multipart body is broken: {error}") from None
    if not parts.ended:
        raise bodies.malformed("the multipart body ends before its closing boundary")
