"""The fake store's care of data: files of a campaign, and what is deleted bit by bit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dialerd.core import results
from dialerd.core.clock import Instant
from dialerd.core.contact import Contact
from dialerd.core.delivery import DeliveryState
from dialerd.core.errors import PortError
from dialerd.core.identity import E164, CampaignId
from dialerd.core.journal import Deed
from dialerd.core.leftovers import Leftover, is_left
from dialerd.core.model import Call, Campaign
from dialerd.core.results import Columns, ContactCall, Reject, Result
from dialerd.core.spreadsheet import written
from dialerd.core.webhook import EventKind
from dialerd.ports import AnsweredRequest, DeedFilter, ExportPart, KeptDeed, Page
from dialerd.sim.disk import StoredCall, StoredContact
from dialerd.sim.reads import FakeReads, paged, within

CHUNK = 500
PART = 500


class FakeCare(FakeReads):
    """What `FakeStore` does for those who look after the data."""

    # --- files -----------------------------------------------------------------------------------

    async def result_columns(self, campaign: CampaignId) -> Columns:
        """The names of all variables and captured values of a campaign."""
        variables = [name for listed in self._listed(campaign) for name in listed.contact.variables]
        captured = [name for kept in self._called(campaign) for name in kept.call.report.captured]
        return Columns.of(variables, captured)

    async def results(self, campaign: CampaignId, columns: Columns, behind: tuple[int, ...]) -> ExportPart:
        """A row for each of the next contacts in list order."""
        people = [listed for listed in self._listed(campaign) if (listed.contact.id,) > behind]
        calls = list(self._called(campaign))
        rows = (results.result_row(Result(one.contact, _calls(calls, one)), columns) for one in people[:PART])
        more = (people[PART - 1].contact.id,) if len(people) >= PART else None
        return self._part(campaign, written(rows), more)

    async def reject_columns(self, campaign: CampaignId) -> Columns:
        """The names of all columns that rejected rows of a campaign's lists had."""
        names = (name for *_, reject in self._rejected(campaign) for name in reject.row)
        return Columns.of(name for name in names if name not in results.IDENTITY)

    async def rejects(self, campaign: CampaignId, columns: Columns, behind: tuple[int, ...]) -> ExportPart:
        """A row for each of the next rejected rows, list by list."""
        found = [item for item in self._rejected(campaign) if (*item[:2], item[2].line) > behind]
        rows = (results.reject_row(number, reject, columns) for number, _, reject in found[:PART])
        last = found[PART - 1] if len(found) >= PART else None
        return self._part(campaign, written(rows), last and (*last[:2], last[2].line))

    def _part(self, campaign: CampaignId, text: bytes, behind: tuple[int, ...] | None) -> ExportPart:
        if behind is None and (campaign not in self.disk.campaigns or self._is_hidden(campaign)):
            raise PortError(f"the campaign {campaign} was deleted meanwhile", retryable=False)
        return ExportPart(text, behind)

    def _listed(self, campaign: CampaignId) -> list[StoredContact]:
        disk = self._opened()
        found = [
            listed
            for listed in disk.contacts.values()
            if listed.contact.campaign_id == campaign and disk.imports[listed.import_id].sealed
        ]
        return sorted(found, key=lambda listed: listed.contact.id)

    def _called(self, campaign: CampaignId) -> list[StoredCall]:
        found = [kept for kept in self._opened().calls.values() if kept.call.campaign_id == campaign]
        return sorted(found, key=lambda kept: kept.call.id)

    def _rejected(self, campaign: CampaignId) -> Iterable[tuple[int, int, Reject]]:
        disk = self._opened()
        lists = [
            (import_id, sorted(refused, key=lambda reject: reject.line))
            for import_id, refused in sorted(disk.rejects.items())
            if refused and disk.imports[import_id].campaign == campaign and disk.imports[import_id].sealed
        ]
        for number, (import_id, refused) in enumerate(lists, 1):
            for reject in refused:
                yield number, import_id, reject

    async def leftovers(
        self, campaign: CampaignId, which: Leftover, behind: tuple[int, ...]
    ) -> tuple[Sequence[Contact], tuple[int, ...] | None]:
        """Some contacts of a campaign that a clone takes over, in list order, and behind what the next ones begin."""
        people = [listed.contact for listed in self._listed(campaign) if is_left(listed.contact, which)]
        found = [contact for contact in people if (contact.id,) > behind]
        return found[:PART], (found[PART - 1].id,) if len(found) >= PART else None

    # --- the audit trail -------------------------------------------------------------------------

    async def deeds(self, where: DeedFilter, page: Page) -> tuple[Sequence[KeptDeed], int]:
        """A page of the audit trail, newest first, and how many entries match."""
        kept = self._opened().deeds.committed
        found = [KeptDeed(ident, kept[ident]) for ident in sorted(kept, reverse=True)]
        return paged([one for one in found if _tells(one.deed, where)], page)

    # --- deletions -------------------------------------------------------------------------------

    async def deletions(self) -> Sequence[CampaignId]:
        """The campaigns that are being deleted, oldest order first."""
        waiting = self._opened().deletions
        return sorted(waiting.committed, key=lambda campaign: (waiting[campaign], campaign))

    async def delete_some(self, campaign: CampaignId, calls_before: Instant) -> int:
        """Delete at most 500 rows of a campaign that is being deleted; how many that were."""
        disk = self._opened()
        people = [one for one in disk.contacts.values() if one.contact.campaign_id == campaign][:CHUNK]
        for listed in people:
            disk.contacts.remove(listed.contact.id)
            disk.phones.remove((campaign, listed.contact.phone))
        old = [kept for kept in self._called(campaign) if kept.closed and kept.call.started_at < calls_before]
        for kept in old[: CHUNK - len(people)]:
            disk.doom_file(kept.call, Instant(0))
            disk.calls.remove(kept.call.id)
        deleted = len(people) + len(old[: CHUNK - len(people)])
        deleted += self._finish_deletion(campaign) if not deleted else 0
        for table in disk.tables():
            table.adopt()
        disk.phones.adopt()
        return deleted

    async def finished_before(self, before: Instant, limit: int) -> Sequence[CampaignId]:
        """At most `limit` campaigns that finished before an instant and are not being deleted; oldest first."""
        found = [
            (one.finished_at, one.id)
            for one in self._opened().campaigns.values()
            if one.finished_at is not None and one.finished_at < before and not self._is_hidden(one.id)
        ]
        return [ident for _, ident in sorted(found)][:limit]

    async def drop_calls(self, before: Instant) -> int:
        """Delete at most 500 calls that are over and began before an instant; how many."""
        disk = self._opened()
        old = [kept.call for kept in disk.calls.values() if kept.closed and kept.call.started_at < before]
        for call in old[:CHUNK]:
            disk.doom_file(call, Instant(0))
            disk.calls.remove(call.id)
        for table in (disk.calls, disk.doomed_files):
            table.adopt()
        return len(old[:CHUNK])

    async def drop_deeds(self, before: Instant) -> int:
        """Delete at most 500 entries of the audit trail from before an instant; how many."""
        stored = self._opened().deeds
        old = [ident for ident, deed in stored.committed.items() if deed.at < before][:CHUNK]
        for ident in old:
            stored.remove(ident)
        stored.adopt()
        return len(old)

    # --- recordings --------------------------------------------------------------------------------

    async def doom_recordings(self, before: Instant | None, most: int | None, since: Instant) -> int:
        """Give up at most 500 recordings by age and total size; how many."""
        disk = self._opened()
        kept = [one.call for one in disk.calls.values() if one.call.recording is not None]
        kept.sort(key=lambda call: (call.started_at, call.id))
        old = [call for call in kept if before is not None and call.started_at < before]
        old += [call for call in kept if most is not None and call not in old and _newer(kept, call) > most]
        for call in old[:CHUNK]:
            disk.doom_file(call, since)
            kept_as = disk.calls[call.id]
            disk.calls.put(call.id, replace(kept_as, call=replace(call, recording=None)))
        disk.calls.adopt()
        disk.doomed_files.adopt()
        return len(old[:CHUNK])

    async def doomed_files(self, limit: int) -> Sequence[str]:
        """Recordings whose files are to be deleted, oldest order first."""
        waiting = self._opened().doomed_files
        return sorted(waiting.committed, key=lambda path: (waiting[path], path))[:limit]

    async def forget_file(self, path: str) -> None:
        """A doomed file is gone."""
        waiting = self._opened().doomed_files
        if path in waiting:
            waiting.remove(path)
            waiting.adopt()

    # --- erasures --------------------------------------------------------------------------------

    async def erasures(self) -> Sequence[E164]:
        """The numbers of persons that are being erased, oldest order first."""
        waiting = self._opened().erasures
        return sorted(waiting.committed, key=lambda phone: (waiting[phone], phone))

    async def history(self, phone: E164, limit: int) -> Sequence[tuple[Campaign, Contact]]:
        """At most `limit` sealed contacts with a number, of the newest campaigns first."""
        disk = self._opened()
        found = [
            (campaign, one.contact)
            for campaign in disk.campaigns.values()
            if not self._is_hidden(campaign.id)
            for one in self._listed(campaign.id)
            if one.contact.phone == phone
        ]
        found.sort(key=lambda pair: (pair[0].created_at, pair[0].id), reverse=True)
        return found[:limit]

    async def erase_some(self, phone: E164) -> int:
        """Change rows that tell of a number that is being erased; how many that were."""
        disk = self._opened()
        steps = (self._erase_contacts, self._erase_calls, self._erase_rests, self._erase_told)
        changed = next((count for count in (step(phone) for step in steps) if count), 0)
        called = any(kept.call.phone == phone for kept in disk.calls.values())
        if not changed and not called and not any(one == phone for _, one in disk.phones.committed):
            changed = int(phone in disk.erasures)
            disk.erasures.remove(phone)
        for table in (*disk.tables(), disk.phones):
            table.adopt()
        return changed

    def _erase_contacts(self, phone: E164) -> int:
        disk, changed = self.disk, 0
        for one in list(disk.contacts.values()):
            state = one.contact.state
            if one.contact.phone == phone and not state.waiting and not state.busy:
                nobody = replace(
                    one.contact, phone=_stand_in(one.contact.id), name=None, timezone=None, variables={}
                )
                disk.contacts.put(nobody.id, replace(one, contact=replace(nobody, external_id=None)))
                disk.phones.remove((nobody.campaign_id, phone))
                disk.phones.put((nobody.campaign_id, nobody.phone), nobody.id)
                changed += 1
        return changed

    def _erase_calls(self, phone: E164) -> int:
        disk, changed = self.disk, 0
        for kept in list(disk.calls.values()):
            if kept.call.phone == phone and kept.closed is not None:
                said = replace(kept.call.report, captured={}, transcript=())
                number = _stand_in(kept.contact or 0)
                disk.doom_file(kept.call, Instant(0))
                nobody = replace(kept.call, phone=number, name=None, variables={}, report=said, label=None)
                nobody = replace(nobody, transfer=None, recording=None)
                disk.calls.put(nobody.id, replace(kept, call=nobody))
                changed += 1
        return changed

    def _erase_rests(self, phone: E164) -> int:
        disk = self.disk
        spelled = {phone.digits[skipped:].lstrip("0") for skipped in range(4)}
        changed = int(phone in disk.numbers)
        disk.numbers.remove(phone)
        for import_id, refused in disk.rejects.items():
            kept = [reject for reject in refused if reject.digits not in spelled]
            changed += len(refused) - len(kept)
            disk.rejects[import_id] = kept
        for ident, known in list(disk.requests.committed.items()):
            names = known.done.made.startswith("cmp") and phone.digits in known.done.note
            if known.answer is not None or names:
                done = replace(known.done, note="") if names else known.done
                disk.requests.put(ident, AnsweredRequest(done))
                changed += 1
        return changed

    def _erase_told(self, phone: E164) -> int:
        """What webhooks were to be told of the person; that they must not be called is told still."""
        told = [row for row in self.disk.deliveries.values() if f'"{phone}"' in row.body]
        kept = [r for r in told if (r.event, r.state) == (EventKind.DNC_ADDED, DeliveryState.WAITING)]
        for row in told:
            if row not in kept:
                self.disk.deliveries.remove(row.number)
        return len(told) - len(kept)

    def _finish_deletion(self, campaign: CampaignId) -> int:
        disk = self._opened()
        lists = [found for found in disk.imports.values() if found.campaign == campaign]
        if self._called(campaign) or not all(found.sealed for found in lists):
            return 0
        if campaign not in disk.deletions:
            return 0
        for found in lists:
            disk.imports.remove(found.id)
            disk.rejects.pop(found.id, None)
        disk.counters.remove(campaign)
        disk.campaigns.remove(campaign)
        disk.deletions.remove(campaign)
        return 1


def _stand_in(ident: int) -> E164:
    return E164(f"+{999_000_000_000_000 + ident}")


def _tells(deed: Deed, where: DeedFilter) -> bool:
    return (
        where.actor in (None, deed.by.actor, deed.by.name)
        and where.action in (None, deed.action)
        and where.object in (None, deed.object)
        and within(deed.at, where.at_from, where.at_to)
    )


def _calls(calls: Iterable[StoredCall], listed: StoredContact) -> tuple[ContactCall, ...]:
    return tuple(
        ContactCall(
            kept.call.id,
            kept.call.started_at,
            kept.call.answered_at if kept.call.tries else None,
            kept.closed.ended_at if kept.closed else None,
            kept.closed.duration if kept.closed else 0,  # type: ignore[arg-type]
            kept.call.report.captured,
        )
        for kept in calls
        if kept.contact == listed.contact.id
    )


def _newer(kept: Sequence[Call], call: Call) -> int:
    """Bytes of a recording and of all that are newer."""
    since = (call.started_at, call.id)
    return sum(
        one.recording.size for one in kept if one.recording is not None and (one.started_at, one.id) >= since
    )
