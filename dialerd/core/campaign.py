"""The life of a campaign: scheduled → running ⇄ paused → completed or stopped.

Commands and the clock move a campaign between its states; every transition is journaled in the turn that
makes it. A state survives restarts; only `resume` lifts a pause.
"""

from __future__ import annotations

from collections.abc import Iterable

from dialerd.core import blockwatch, metrics
from dialerd.core import call as calls
from dialerd.core.clock import Instant, to_iso
from dialerd.core.commands import (
    AddContacts,
    AdmitCampaign,
    Answer,
    DeleteCampaign,
    Done,
    EditCampaign,
    PauseCampaign,
    Refused,
    ResumeCampaign,
    StartCampaign,
    StopCampaign,
)
from dialerd.core.contact import ContactKind, ContactState
from dialerd.core.disposition import Reason
from dialerd.core.effects import LoadReady, SeekReady
from dialerd.core.identity import CampaignId, ChannelId, TrunkName
from dialerd.core.journal import (
    CampaignAdmitted,
    CampaignDoomed,
    CampaignSaved,
    ImportSealed,
    WaitingClosed,
)
from dialerd.core.messages import (
    LoadFailed,
    ReadyLoaded,
    ReadySought,
)
from dialerd.core.model import Call, Campaign, CampaignStatus, TryState
from dialerd.core.queue import Queue, Sought
from dialerd.core.record import replace
from dialerd.core.telling import campaign_told
from dialerd.core.turn import Turn
from dialerd.core.world import SMALLEST_BATCH

MOST_DEFERRED = 512
"""With so many contacts waiting in memory for their numbers to be free, no more are read."""
_LOAD_RETRY = 1_000
_SEEK_AGAIN = 30_000
_LOAD_AGAIN = 1_000
"""Milliseconds between two looks for what has become due: a retry may wait that much longer, the store is not asked for
each one."""


def admit(turn: Turn, command: AdmitCampaign) -> Answer:
    """Take up a new campaign with its sealed import."""
    campaign = command.campaign
    turn.world.campaigns.put(campaign.id, campaign)
    turn.record(CampaignAdmitted(campaign, command.import_id))
    turn.count(campaign.id, metrics.imported(command.contacts, command.suppressed))
    turn.world.look_at(campaign.id, Instant(0))
    turn.announce("campaign.created", {"campaign": campaign.id, "contacts": command.contacts})
    return Done(changed=True)


def add_contacts(turn: Turn, command: AddContacts) -> Answer:
    """Give a live campaign more contacts: they wait like the others from this turn on."""
    campaign = turn.world.campaigns.get(command.campaign)
    if campaign is None:
        return unknown(command.campaign)
    if not campaign.status.live or campaign.closing:
        return _refuse(campaign, "add contacts to", None)
    turn.record(ImportSealed(campaign.id, command.import_id))
    turn.count(campaign.id, metrics.imported(command.contacts, command.suppressed))
    turn.set_queue(campaign.id, replace(turn.queue(campaign.id), exhausted=frozenset(), sought={}))
    turn.world.look_at(campaign.id, Instant(0))
    turn.announce("campaign.contacts_added", {"campaign": campaign.id, "contacts": command.contacts})
    return Done(changed=True)


def edit(turn: Turn, command: EditCampaign) -> Answer:
    """Replace fields of a live campaign; what is running keeps the terms it was begun with."""
    campaign = turn.world.campaigns.get(command.campaign)
    if campaign is None:
        return unknown(command.campaign)
    if not campaign.status.live or campaign.closing:
        return _refuse(campaign, "edit", None)
    if command.expected is not None and command.expected != campaign.version:
        detail = (
            f"the campaign is at version {campaign.version} by now, not {command.expected}; read it again"
        )
        return Refused(detail, campaign.status, edited=True)
    edited = replace(campaign, **command.changes)
    if edited == campaign:
        return Done(changed=False)
    edited = replace(edited, version=campaign.version + 1)
    _save(turn, edited, "campaign.edited")
    turn.world.look_at(campaign.id, Instant(0))
    turn.world.wake(campaign.id)
    return Done(changed=True)


def start(turn: Turn, command: StartCampaign) -> Answer:
    """Begin to dial, before the start time only if that is said."""
    campaign = turn.world.campaigns.get(command.campaign)
    if campaign is None:
        return unknown(command.campaign)
    if campaign.status is CampaignStatus.RUNNING:
        return Done(changed=False)
    if campaign.status is not CampaignStatus.SCHEDULED:
        return _refuse(
            campaign, "start", "resume it instead" if campaign.status is CampaignStatus.PAUSED else None
        )
    now = turn.now.wall
    if campaign.start_at is not None and campaign.start_at > now:
        if not command.at_once:
            return Refused(
                f"the campaign starts at {to_iso(campaign.start_at)}; to start it before that, say so (now: true)",
                campaign.status,
            )
        campaign = replace(campaign, start_at=now)
    _set_running(turn, campaign, "campaign.started")
    return Done(changed=True)


def pause(turn: Turn, command: PauseCampaign) -> Answer:
    """Place no new calls until somebody resumes the campaign."""
    campaign = turn.world.campaigns.get(command.campaign)
    if campaign is None:
        return unknown(command.campaign)
    running = campaign.status is CampaignStatus.RUNNING and not campaign.closing
    if not running and campaign.status is not CampaignStatus.PAUSED:
        return _refuse(campaign, "pause", None)
    if running:
        _save(turn, replace(campaign, status=CampaignStatus.PAUSED), "campaign.paused")
    open_calls = _calls(turn, campaign.id)
    if command.cancel_ringing:
        cut(turn, [call for call in open_calls if call.answered_at is None])
    return Done(changed=running, await_shown=unshown(open_calls))


def resume(turn: Turn, command: ResumeCampaign) -> Answer:
    """Go on dialing."""
    campaign = turn.world.campaigns.get(command.campaign)
    if campaign is None:
        return unknown(command.campaign)
    if campaign.status is CampaignStatus.RUNNING:
        return Done(changed=False)
    if campaign.status is not CampaignStatus.PAUSED:
        return _refuse(campaign, "resume", None)
    _set_running(turn, campaign, "campaign.resumed")
    return Done(changed=True)


def stop(turn: Turn, command: StopCampaign) -> Answer:
    """End the campaign for good; who still waits is cancelled."""
    campaign = turn.world.campaigns.get(command.campaign)
    if campaign is None:
        return unknown(command.campaign)
    open_calls = _calls(turn, campaign.id)
    stopped = campaign.status is CampaignStatus.STOPPED
    if not stopped:
        if not campaign.status.live:
            return _refuse(campaign, "stop", None)
        _close_waiting(turn, campaign, ContactState.CANCELLED)
        ended = replace(campaign, status=CampaignStatus.STOPPED, finished_at=turn.now.wall, closing=False)
        _save(turn, ended, "campaign.stopped")
    if command.hang_up:
        cut(turn, open_calls)
    elif command.cancel_ringing:
        cut(turn, [call for call in open_calls if call.answered_at is None])
    _forget_if_over(turn, campaign.id)
    return Done(changed=not stopped, await_shown=unshown(open_calls))


def delete(turn: Turn, command: DeleteCampaign) -> Answer:
    """Forget a finished campaign; one that is held here is live, or has live calls."""
    campaign = turn.world.campaigns.get(command.campaign)
    if campaign is not None:
        if campaign.status.live:
            return _refuse(campaign, "delete", "stop it first")
        live = turn.queue(campaign.id).live
        return Refused(f"{live} of its calls are still live: hang them up, or wait", campaign.status)
    turn.record(CampaignDoomed(command.campaign, turn.now.wall))
    turn.announce("campaign.deleted", {"campaign": command.campaign})
    return Done(changed=True)


# --- the clock -----------------------------------------------------------------------------------


def tend(turn: Turn, ident: CampaignId) -> None:
    """Do whatever the clock and the queue ask of a campaign now; asking twice does nothing more."""
    campaign = turn.world.campaigns.get(ident)
    if campaign is None:
        return
    now = turn.now.wall
    if (
        campaign.status.live
        and campaign.end_at is not None
        and campaign.end_at <= now
        and not campaign.closing
    ):
        _close_waiting(turn, campaign, ContactState.EXPIRED)
        campaign = replace(campaign, closing=True)
        _save(turn, campaign, "campaign.window_ended")
    elif (
        campaign.status is CampaignStatus.SCHEDULED
        and campaign.start_at is not None
        and campaign.start_at <= now
    ):
        campaign = _set_running(turn, campaign, "campaign.started")
    _complete_if_done(turn, campaign)
    campaign = turn.world.campaigns.get(ident) or campaign
    _plan_next_look(turn, campaign)
    if campaign.status is CampaignStatus.RUNNING and not campaign.closing:
        _refill(turn, campaign)
    blockwatch.watch(turn, campaign)
    _forget_if_over(turn, ident)


def _plan_next_look(turn: Turn, campaign: Campaign) -> None:
    now = turn.now.wall
    instants = [campaign.start_at] if campaign.status is CampaignStatus.SCHEDULED else []
    if campaign.status.live and not campaign.closing:
        instants.append(campaign.end_at)
    for at in instants:
        if at is not None and at > now:
            turn.world.look_at(campaign.id, at)


def _refill(turn: Turn, campaign: Campaign) -> None:
    now = turn.now.wall
    queue = turn.queue(campaign.id)
    ready = tuple(d.contact for d in queue.deferred if d.until <= now)
    if ready:
        waiting = tuple(d for d in queue.deferred if d.until > now)
        queue = queue.added(ready, deferred=waiting)
        turn.set_queue(campaign.id, queue)
    for deferred in queue.deferred:
        turn.world.look_at(campaign.id, deferred.until)
    if queue.contacts:
        turn.world.wake(campaign.id)
    if queue.loading or len(queue.deferred) >= MOST_DEFERRED:
        return
    if not is_low(turn, queue):
        if queue.next_due is None:
            return
        load_at = Instant(max(queue.next_due, queue.loaded_at + _LOAD_AGAIN))
        if load_at > now:
            turn.world.look_at(campaign.id, load_at)
            return
    _load(turn, campaign, queue)


def is_low(turn: Turn, queue: Queue) -> bool:
    """Whether a kind of contacts runs out in memory, of which the store has more that are due."""
    low = turn.world.low_water
    return any(kind not in queue.exhausted and len(queue.of(kind)) < low for kind in ContactKind)


def _load(turn: Turn, campaign: Campaign, queue: Queue) -> None:
    now, policy = turn.now.wall, turn.world.policy
    running = frozenset(call.contact.id for call in _calls(turn, campaign.id) if call.contact is not None)
    # A thousand campaigns begin at once, and most of them dial a few calls only: the first look is a short one.
    batch = turn.world.batch if queue.loaded_at else SMALLEST_BATCH
    fresh, retries, callbacks = (max(0, batch - len(queue.of(kind))) for kind in ContactKind)
    turn.set_queue(campaign.id, replace(queue, loading=True, loaded_at=now, next_due=None))
    # A cap looks back from the instant of the call, which is behind this one.
    since = Instant(now - max(window for window, _ in policy.caps)) if policy.caps else None
    turn.do(LoadReady(campaign.id, queue.held() | running, (fresh, retries, callbacks), since))


def on_loaded(turn: Turn, event: ReadyLoaded) -> None:
    """Due contacts have arrived from the store. Those held when they were asked for are stale here."""
    campaign = turn.world.campaigns.get(event.campaign)
    if campaign is None:
        return
    queue = turn.queue(event.campaign)
    known = queue.held() | event.held | queue.gone
    fresh = tuple(contact for contact in event.contacts if contact.id not in known)
    dues = [due for due in (queue.next_due, event.next_due) if due is not None]
    if not campaign.status.live or campaign.closing:
        fresh = ()
    turn.set_queue(
        event.campaign,
        queue.added(
            fresh,
            loading=False,
            gone=frozenset(),
            fault=None,
            exhausted=event.exhausted,
            next_due=min(dues, default=None),
        ),
    )
    tend(turn, event.campaign)


def seek(turn: Turn, ident: CampaignId, trunk: TrunkName) -> None:
    """None of a campaign's contacts in memory takes a trunk that is free: the store may hold some behind them."""
    campaign, queue, policy = turn.world.campaigns.get(ident), turn.queue(ident), turn.world.policy
    line, now = turn.world.lines.get(trunk), turn.now.wall
    if campaign is None or line is None or queue.loading or queue.exhausted == frozenset(ContactKind):
        return
    sought = queue.sought.get(trunk, Sought())
    if sought.dry_at is not None and now < sought.dry_at + _SEEK_AGAIN:
        return
    running = frozenset(call.contact.id for call in _calls(turn, ident) if call.contact is not None)
    turn.set_queue(ident, replace(queue, loading=True))
    since = Instant(now - max(window for window, _ in policy.caps)) if policy.caps else None
    prefixes = line.trunk.prefixes
    held = queue.held() | running
    turn.do(SeekReady(ident, trunk, prefixes, sought.behind, held, turn.world.batch, since))


def on_sought(turn: Turn, event: ReadySought) -> None:
    """Contacts that one trunk takes have been found, or the list holds none that is due."""
    campaign = turn.world.campaigns.get(event.campaign)
    if campaign is None:
        return
    queue = turn.queue(event.campaign)
    known = queue.held() | event.held | queue.gone
    fresh = [contact for contact in event.contacts if contact.id not in known]
    if not campaign.status.live or campaign.closing:
        fresh = []
    before = queue.sought.get(event.trunk, Sought())
    if event.dry:
        # Behind the last number the search begins anew; it is dry if it began with the first one.
        sought = Sought("", turn.now.wall if not before.behind and not fresh else None)
    else:
        sought = Sought(event.contacts[-1].phone)
    searches = {**queue.sought, event.trunk: sought}
    turn.set_queue(
        event.campaign, queue.added(fresh, loading=False, gone=frozenset(), fault=None, sought=searches)
    )
    turn.world.wake(event.campaign)
    tend(turn, event.campaign)


def on_load_failed(turn: Turn, event: LoadFailed) -> None:
    """The store could not be read: try again in a second, and dial nobody of this campaign until then."""
    if turn.world.campaigns.get(event.campaign) is None:
        return
    queue = turn.queue(event.campaign)
    read_nothing = replace(queue, loading=False, gone=frozenset(), exhausted=frozenset(), fault=event.detail)
    turn.set_queue(event.campaign, read_nothing)
    turn.world.look_at(event.campaign, Instant(turn.now.wall + _LOAD_RETRY))


# --- ends ----------------------------------------------------------------------------------------


def _complete_if_done(turn: Turn, campaign: Campaign) -> None:
    if not campaign.status.live or turn.queue(campaign.id).live:
        return
    dialing_is_over = campaign.closing
    if campaign.status is CampaignStatus.RUNNING and not campaign.keep_open:
        counters = turn.world.counters.get(campaign.id) or {}
        dialing_is_over = dialing_is_over or not metrics.unfinished(counters)
    if dialing_is_over:
        done = replace(campaign, status=CampaignStatus.COMPLETED, finished_at=turn.now.wall, closing=False)
        _save(turn, done, "campaign.completed")


def _close_waiting(turn: Turn, campaign: Campaign, final: ContactState) -> None:
    turn.record(WaitingClosed(campaign.id, final))
    turn.count(campaign.id, metrics.closed_waiting(turn.world.counters.get(campaign.id) or {}, final))
    queue = turn.queue(campaign.id)
    turn.set_queue(
        campaign.id, Queue(live=queue.live, exhausted=frozenset(ContactKind), loading=queue.loading)
    )


def _forget_if_over(turn: Turn, ident: CampaignId) -> None:
    """A finished campaign without live calls is the store's alone."""
    world = turn.world
    campaign = world.campaigns.get(ident)
    if campaign is None or campaign.status.live or turn.queue(ident).live:
        return
    world.forget(ident)


def _set_running(turn: Turn, campaign: Campaign, kind: str) -> Campaign:
    started = campaign.started_at if campaign.started_at is not None else turn.now.wall
    campaign = replace(campaign, status=CampaignStatus.RUNNING, started_at=started)
    _save(turn, campaign, kind)
    turn.world.look_at(campaign.id, Instant(0))
    return campaign


def _save(turn: Turn, campaign: Campaign, kind: str) -> None:
    turn.world.campaigns.put(campaign.id, campaign)
    turn.record(CampaignSaved(campaign))
    turn.announce(kind, {"campaign": campaign.id, "status": campaign.status})
    campaign_told(turn, kind, campaign)


def cut(turn: Turn, running: Iterable[Call]) -> None:
    """End these calls ourselves."""
    for call in running:
        calls.cut(turn, call, Reason.CUT)


def _calls(turn: Turn, ident: CampaignId) -> list[Call]:
    return [call for call in turn.world.calls.values() if call.campaign_id == ident]


def unshown(running: Iterable[Call]) -> frozenset[ChannelId]:
    """The tries of which nothing has been seen on the wire yet."""
    return frozenset(call.current.channel for call in running if call.current.state is TryState.OPEN)


def _refuse(campaign: Campaign, verb: str, remedy: str | None) -> Refused:
    state = "closing" if campaign.closing else campaign.status.value
    detail = f"cannot {verb} a campaign that is {state}"
    return Refused(f"{detail}; {remedy}" if remedy else detail, state)


def unknown(ident: CampaignId) -> Refused:
    """There is no such live campaign."""
    return Refused(f"there is no live campaign {ident}", None, unknown=True)
