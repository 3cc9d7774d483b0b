"""Files of a campaign as they are downloaded: its contacts with what became of them, and the rows that were refused.

A file is a stream of its parts, each read when the one before has been taken. Whoever reads slowly holds up nothing
but itself, and what fails on the way breaks the stream off, so that half a file is not taken for a whole one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from dialerd.core.identity import CampaignId
from dialerd.core.results import Columns, rejects_header, results_header
from dialerd.core.spreadsheet import written
from dialerd.engine.campaigns import Campaigns
from dialerd.ports import ExportPart, Exports

_Read = Callable[[CampaignId, Columns, tuple[int, ...]], Awaitable[ExportPart]]


class Files:
    """The files of all campaigns."""

    def __init__(self, campaigns: Campaigns, exports: Exports) -> None:
        self._campaigns = campaigns
        self._exports = exports

    async def results(self, ident: str) -> AsyncIterator[bytes]:
        """A row for each contact, in list order. Raises `RequestError` 404, `PortError`; the stream `PortError`."""
        campaign = await self._campaigns.known(ident)
        columns = await self._exports.result_columns(campaign)
        return await _begun(self._exports.results, campaign, columns, results_header(columns))

    async def rejects(self, ident: str) -> AsyncIterator[bytes]:
        """A row for each row of its lists that was refused and left out. Raises as `results`."""
        campaign = await self._campaigns.known(ident)
        columns = await self._exports.reject_columns(campaign)
        return await _begun(self._exports.rejects, campaign, columns, rejects_header(columns))


async def _begun(
    read: _Read, campaign: CampaignId, columns: Columns, header: list[str]
) -> AsyncIterator[bytes]:
    """The stream, its first part read: what fails before that can still be told."""
    first = await read(campaign, columns, ())

    async def stream() -> AsyncIterator[bytes]:
        part = first
        yield written([header]) + part.text
        while part.behind is not None:
            part = await read(campaign, columns, part.behind)
            yield part.text

    return stream()
