"""A list of the API as a table: the API's pages, one at a time, with the buttons that lead to the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from dialerd.console.blocks import Words, box, button

ROWS = 20


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `kind` is text, wrap, number, link (to the row's `href`), tag (of the row's `tone`), bar, or action."""

    name: str
    label: str
    kind: str = "text"


_SLOTS = {
    "link": """<q-td :props="props" class="wrap"><a v-if="props.row.href" :href="props.row.href">{{ props.value }}</a>
        <template v-else>{{ props.value }}</template></q-td>""",
    "tag": '<q-td :props="props"><span :class="\'tag \' + props.row.tone">{{ props.value }}</span></q-td>',
    "wrap": '<q-td :props="props" class="wrap">{{ props.value }}</q-td>',
    "bar": """<q-td :props="props" style="min-width:150px">
        <div class="progress" role="img" :aria-label="props.value">
        <div :style="{width: props.row.done + '%', background: 'var(--accent)'}"></div></div>
        <span class="small soft">{{ props.value }}</span></q-td>""",
    "action": """<q-td :props="props"><q-btn v-if="props.value" flat no-caps dense color="primary"
        :label="props.value" :aria-label="props.value + ' ' + (props.row.what || '')"
        @click="() => $parent.$emit('act', props.row.name_)" /></q-td>""",
}


class Listing:
    """A table whose rows are read page by page; `row` makes cells of an item, `guard` tells why one cannot be read."""

    def __init__(
        self,
        columns: Sequence[Column],
        fetch: Callable[[int, int], Awaitable[dict[str, Any]]],
        row: Callable[[Any], dict[str, Any]],
        empty: str,
        guard: Callable[[Awaitable[None]], Awaitable[None]],
        act: Callable[[Any], Awaitable[None]] | None = None,
    ) -> None:
        self._fetch = fetch
        self._row = row
        self._guard = guard
        self._act = act
        self._offset = 0
        self._shown: dict[str, Any] = {}
        self._readings = 0
        self._table = _table(columns)
        self._table.on("act", self._acted)
        self._empty = Words("div", empty, "soft")
        with box("line") as self._pager:
            self._back = button("Previous", lambda: self._turn(-ROWS))
            self._where = Words("span", "", "soft")
            self._on = button("Next page", lambda: self._turn(ROWS))
        for unread in (self._table, self._empty, self._pager):
            unread.set_visibility(False)

    async def read(self) -> None:
        """Read the page that is shown. Raises `Refused`, `Away`."""
        page = await self._fetch(ROWS, self._offset)
        total = int(page["total"])
        if self._offset and self._offset >= total:
            self._offset = max(0, (total - 1) // ROWS * ROWS)
            page = await self._fetch(ROWS, self._offset)
        items = page["data"]
        if items != list(self._shown.values()) or not self._readings:
            # A row is acted on under a name of its own: what was pressed is what was seen, whatever has moved since.
            self._readings += 1
            self._shown = {f"{self._readings}-{at}": item for at, item in enumerate(items)}
        fill(self._table, [{"name_": name, **self._row(item)} for name, item in self._shown.items()])
        last = self._offset + len(items)
        self._where.set_text(f"{self._offset + 1:,}–{last:,} of {total:,}")
        self._back.set_enabled(self._offset > 0)
        self._on.set_enabled(last < total)
        self._table.set_visibility(bool(items))
        self._empty.set_visibility(not items)
        self._pager.set_visibility(total > ROWS)

    async def restart(self) -> None:
        """Begin with the first page again. Raises `Refused`, `Away`."""
        self._offset = 0
        await self.read()

    async def _turn(self, by: int) -> None:
        self._offset = max(0, self._offset + by)
        await self._guard(self.read())

    async def _acted(self, event: GenericEventArguments) -> None:
        item = self._shown.get(str(event.args))
        if item is None:
            ui.notify("The list has changed meanwhile: look again.", type="warning")
        elif self._act is not None:
            await self._act(item)


def plain(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> ui.table:
    """A table of rows that are there already."""
    table = _table(columns)
    fill(table, rows)
    return table


def fill(table: ui.table, rows: Sequence[dict[str, Any]]) -> None:
    """Show these rows, if they are not shown already."""
    numbered = [{"index": index, "tone": "", **row} for index, row in enumerate(rows)]
    if numbered != table.rows:
        table.update_rows(numbered)


def _table(columns: Sequence[Column]) -> ui.table:
    described = [
        {
            "name": column.name,
            "label": column.label,
            "field": column.name,
            "align": "right" if column.kind == "number" else "left",
        }
        for column in columns
    ]
    table = ui.table(rows=[], columns=described, row_key="index").props("flat hide-pagination")
    table.props(':rows-per-page-options="[0]"').classes("w-full")
    for column in columns:
        if column.kind in _SLOTS:
            table.add_slot(f"body-cell-{column.name}", _SLOTS[column.kind])
    return table
