"""A list of the API as a table: the API's pages, one at a time, with the buttons that lead to the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from dialerd.console.blocks import Words, box, button

ROWS = 20


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `kind` is text, wrap, number, link (to the row's `href`), tag (of the row's `tone`), bar, or action."""

    name: str
    label: str
    kind: str = "text"


_SLOTS = {
    "link": '<q-td :props="props" class="wrap"><a :href="props.row.href">{{ props.value }}</a></q-td>',
    "tag": '<q-td :props="props"><span :class="\'tag \' + props.row.tone">{{ props.value }}</span></q-td>',
    "wrap": '<q-td :props="props" class="wrap">{{ props.value }}</q-td>',
    "bar": """<q-td :props="props" style="min-width:150px">
        <div class="progress" role="img" :aria-label="props.value">
        <div :style="{width: props.row.done + '%', background: 'var(--accent)'}"></div></div>
        <span class="small soft">{{ props.value }}</span></q-td>""",
    "action": """<q-td :props="props"><q-btn v-if="props.value" flat no-caps dense color="primary"
        :label="props.value" :aria-label="props.value + ' ' + (props.row.what || '')"
        @click="() => $parent.$emit('act', props.row.index)" /></q-td>""",
}


class Listing:
    """A table whose rows are read page by page; `row` makes cells of an item."""

    def __init__(
        self,
        columns: Sequence[Column],
        fetch: Callable[[int, int], Awaitable[dict[str, Any]]],
        row: Callable[[Any], dict[str, Any]],
        empty: str,
        act: Callable[[Any], Awaitable[None]] | None = None,
    ) -> None:
        self._fetch = fetch
        self._row = row
        self._offset = 0
        self._items: list[Any] = []
        self._table = _table(columns)
        if act is not None:
            self._table.on("act", lambda event: act(self._items[int(event.args)]))
        self._empty = Words("div", empty, "soft")
        with box("line") as self._pager:
            self._back = button("Previous", lambda: self._turn(-ROWS))
            self._where = Words("span", "", "soft")
            self._on = button("Next", lambda: self._turn(ROWS))

    async def read(self) -> None:
        """Read the page that is shown. Raises `Refused`, `Away`."""
        page = await self._fetch(ROWS, self._offset)
        total = int(page["total"])
        if self._offset and self._offset >= total:
            self._offset = max(0, (total - 1) // ROWS * ROWS)
            page = await self._fetch(ROWS, self._offset)
        self._items = page["data"]
        fill(self._table, [self._row(item) for item in self._items])
        last = self._offset + len(self._items)
        self._where.set_text(f"{self._offset + 1:,}–{last:,} of {total:,}")
        self._back.set_enabled(self._offset > 0)
        self._on.set_enabled(last < total)
        self._table.set_visibility(bool(self._items))
        self._empty.set_visibility(not self._items)
        self._pager.set_visibility(total > ROWS)

    async def restart(self) -> None:
        """Begin with the first page again. Raises `Refused`, `Away`."""
        self._offset = 0
        await self.read()

    async def _turn(self, by: int) -> None:
        self._offset = max(0, self._offset + by)
        await self.read()


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
