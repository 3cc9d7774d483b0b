"""Lists as multipart/form-data: the list straight to a file, a part of fields beside it, if there is one, in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from dialerd.control import bodies
from dialerd.core.errors import Fault, invalid

OVERHEAD = 256 * 1024
"""Bytes beside the list: the other part, boundaries, headers."""
LIST = "the list"


class _Parts:
    """Takes the parser's callbacks, which cannot wait."""

    def __init__(
        self, file: BinaryIO, max_bytes: int, part: str, beside: str | None, observer: bodies.Observer | None
    ) -> None:
        self._observer = observer
        self.fields: bytearray | None = None
        self.list_bytes: int | None = None
        self.faults: list[Fault] = []
        self.ended = False
        """The closing boundary was seen: nothing is missing at the end."""
        self._file = file
        self._max_bytes = max_bytes
        self._known = (part,) if beside is None else (beside, part)
        self._list = part
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
        if name == self._list and self.list_bytes is None:
            self.list_bytes = 0
        elif name in self._known and name != self._list and self.fields is None:
            self.fields = bytearray()
        else:
            msg = (
                "given twice"
                if name in self._known
                else f"unknown part; there is {' and '.join(self._known)}"
            )
            self.faults.append(Fault(name[:60] or "(part without a name)", msg))
            return
        self._part = name
        self._observe(b"\0" + name.encode() + b"\0")

    def _observe(self, content: bytes) -> None:
        """The content is the parts: where one ends is said by a boundary that the client draws anew each time."""
        if self._observer is not None:
            self._observer(content)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part is None:
            return
        self._observe(data[start:end])
        if self._part != self._list and self.fields is not None:
            self.fields += data[start:end]
            if len(self.fields) > bodies.SMALL:
                raise bodies.too_large(bodies.SMALL, f"the part {self._part}")
        elif self.list_bytes is not None:
            self.list_bytes += end - start
            if self.list_bytes > self._max_bytes:
                raise bodies.too_large(self._max_bytes, LIST)
            self._file.write(data[start:end])

    def on_end(self) -> None:
        self.ended = True


async def receive(request: Request, path: Path, max_bytes: int, part: str) -> None:
    """Store the part `part`, the only one, at `path`. Raises as `receive_beside`."""
    parts = await _received(request, path, max_bytes, part, None)
    if parts.faults:
        raise invalid(parts.faults)


async def receive_beside(
    request: Request, path: Path, max_bytes: int, part: str, beside: str
) -> dict[str, Any]:
    """Store the part `part` at `path` and return the JSON object in the part `beside`.

    Raises `RequestError`: 400 malformed, 413, 422 for missing or unknown parts; `PortError` if the disk is full.
    """
    parts = await _received(request, path, max_bytes, part, beside)
    if parts.fields is None:
        parts.faults.append(Fault(beside, "required: a part with the fields as JSON"))
    if parts.faults or parts.fields is None:
        raise invalid(parts.faults)
    return bodies.parse_object(bytes(parts.fields), f"the part {beside}")


async def _received(request: Request, path: Path, max_bytes: int, part: str, beside: str | None) -> _Parts:
    _, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if not boundary:
        raise bodies.malformed("the Content-Type names no multipart boundary")
    try:
        with path.open("xb") as file:
            parts = _Parts(file, max_bytes, part, beside, bodies.observer_of(request))
            await _feed(request, boundary, parts, max_bytes)
    except OSError as error:
        raise bodies.disk_refused(error) from error
    if parts.list_bytes is None:
        parts.faults.append(Fault(part, "required: a part with the list as CSV"))
    return parts


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
