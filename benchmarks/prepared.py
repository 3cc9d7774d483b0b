"""A store that is full before anything runs on it: campaigns of contacts, written through the store's own imports."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace

from dialerd.agent.script import parse_script
from dialerd.core import metrics
from dialerd.core.clock import Instant
from dialerd.core.identity import E164, CampaignId, ScriptId
from dialerd.core.journal import CampaignAdmitted, CountersMoved
from dialerd.core.model import Campaign, CampaignStatus
from dialerd.ports import NewContact, Script, Store
from dialerd.store.choice import store_at
from dialerd.store.writing import CHUNK

MADE = Instant(1_764_000_000_000)
SCRIPT = """
script_id: bench
name: One word
keys:
  1: {disposition: interested}
languages:
  en-IN:
    opening: "Hello."
    closings: {1: "Thank you."}
    no_input: {repeat: "Hello?", closing: "Goodbye."}
    invalid_key: "Pardon?"
"""


INDIA = "+9198"
GERMANY = "+49151"
"""A country whose legal hours have no preset, so that its numbers can be called at any time."""


def people(count: int, first: int = 0, prefix: str = INDIA) -> list[NewContact]:
    """Contacts `first` to `first + count` of up to 100,000,000, in an order unlike that of their numbers."""
    return [
        NewContact(
            E164(f"{prefix}{number * 7_919_333 % 100_000_000:08d}"),
            f"Person {number}",
            None,
            f"crm-{number}",
            {"policy": f"A-{number:07d}", "due": "1,200"},
        )
        for number in range(first, first + count)
    ]


def campaign(number: int, status: CampaignStatus = CampaignStatus.RUNNING) -> Campaign:
    """The `number`-th campaign; it has no window and places one attempt a contact."""
    ident = CampaignId(f"cmp_{number:012x}")
    started = MADE if status is not CampaignStatus.SCHEDULED else None
    return Campaign(ident, f"bench {number}", ScriptId("bench"), 1, "en-IN", status, MADE, started_at=started)


def csv_list(rows: Sequence[NewContact]) -> bytes:
    """The contacts as the file that a user uploads."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(["phone", "name", "external_id", *rows[0].variables])
    lines.writerows([one.phone, one.name, one.external_id, *one.variables.values()] for one in rows)
    return text.getvalue().encode()


async def fill(store: Store, new: Campaign, rows: Sequence[NewContact]) -> None:
    """Admit a campaign with these contacts."""
    import_id = await store.begin_import(new.id)
    for first in range(0, len(rows), CHUNK):
        await store.add_contacts(import_id, new.id, rows[first : first + CHUNK])
    await store.commit(
        [CampaignAdmitted(new, import_id), CountersMoved(new.id, metrics.imported(len(rows), 0))]
    )


async def prepare(address: str, campaigns: int, contacts: int, status: CampaignStatus) -> None:
    """A store with `campaigns` campaigns in `status` that share `contacts` contacts evenly."""
    store = store_at(address, "bench")
    await store.open()
    try:
        document = parse_script(SCRIPT)
        await store.add_script(
            Script(
                id=ScriptId("bench"),
                version=1,
                name=document.name,
                languages=tuple(document.languages),
                variables=document.variables,
                body=document.body,
                source=SCRIPT,
                created_at=MADE,
            )
        )
        each = contacts // campaigns
        for number in range(campaigns):
            made = replace(campaign(number, status), created_at=Instant(MADE + number))
            await fill(store, made, people(each, number * each))
    finally:
        await store.close()
