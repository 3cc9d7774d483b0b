"""What webhooks are told: of what they take and of nothing else, as it was when it came about."""

from __future__ import annotations

from dialerd.core.clock import Instant, Millis
from dialerd.core.commands import (
    AddWebhook,
    ChangeTrunk,
    ChangeWebhook,
    Done,
    ListNumbers,
    PauseCampaign,
    PauseDaemon,
    Refused,
    RemoveWebhook,
    ResumeCampaign,
    ResumeDaemon,
    StopCampaign,
)
from dialerd.core.dnc import DncEntry
from dialerd.core.fact import CallFact, CampaignFact, NumberFact, TrunkFact
from dialerd.core.messages import AgentReported, HostDown, HostUp, TrunkReachability, TrunkRegistration
from dialerd.core.model import AgentReport, CallStatus, CampaignStatus
from dialerd.core.orders import MOST_WEBHOOKS
from dialerd.core.record import replace
from dialerd.core.webhook import EventKind, Webhook, WebhookId
from dialerd.sim.callees import Behaviour

from .world_builder import BUSY, CMP, START, Driver, campaign, contacts, trunk

MINUTE = 60_000


def hook(*events: str, number: int = 1) -> Webhook:
    return Webhook(
        WebhookId(f"whk_{number:012x}"), "https://crm.example/", events or ("*",), "whsec_c2VjcmV0", START
    )


def listening(*events: str) -> Driver:
    driver = Driver.ready()
    driver.command(AddWebhook(hook(*events)))
    return driver


def kinds(driver: Driver) -> list[str]:
    return [told.fact.kind.value for told in driver.told]


def test_without_a_webhook_nothing_is_told() -> None:
    driver = Driver.ready()
    driver.admit(campaign(), contacts(3))
    driver.run()
    driver.events(TrunkReachability("lab", False, "gone"))
    assert driver.told == []


def test_a_campaign_is_told_from_its_start_to_its_end() -> None:
    driver = listening("*")
    driver.admit(campaign(start_at=None, end_at=None, timezone=None), contacts(1))
    driver.command(PauseCampaign(CMP))
    assert driver.told == [], "nothing is told of what was refused"
    driver = listening("campaign.started", "campaign.paused", "campaign.resumed", "campaign.completed")
    driver.admit(campaign(), contacts(1))
    driver.command(PauseCampaign(CMP))
    driver.command(PauseCampaign(CMP))
    driver.command(ResumeCampaign(CMP))
    driver.run()
    assert kinds(driver) == ["campaign.started", "campaign.paused", "campaign.resumed", "campaign.completed"]
    done = driver.told[-1].fact
    assert isinstance(done, CampaignFact)
    assert (done.campaign.status, done.counters["connected"]) == (CampaignStatus.COMPLETED, 1)
    paused = driver.told[1].fact
    assert isinstance(paused, CampaignFact)
    assert [check.rule for check in paused.blocked][:1] == ["campaign"], "and why it does not dial"


def test_a_stopped_campaign_is_told_with_what_became_of_its_contacts() -> None:
    driver = listening("campaign.stopped")
    driver.admit(campaign(max_concurrent_calls=1), contacts(5))
    driver.run(until=100)
    driver.command(StopCampaign(CMP, hang_up=True))
    (told,) = driver.told
    assert isinstance(told.fact, CampaignFact)
    assert told.fact.counters["state:cancelled"] == 4
    driver.run()
    assert told.fact.counters["state:cancelled"] == 4, "what came later does not change it"


def test_a_call_is_told_with_its_final_record() -> None:
    driver = listening("call.completed")
    driver.behave = lambda order: BUSY
    driver.admit(campaign(), contacts(1))
    driver.run()
    (told,) = driver.told
    assert isinstance(told.fact, CallFact)
    assert told.fact.closed is not None
    assert (told.fact.closed.status, told.fact.closed.reason) == (CallStatus.FAILED, "busy")
    assert told.fact.call.current.sip_code == 486
    assert told.webhooks == (hook().id,)


def test_a_label_is_told_once_and_before_the_end_of_its_call() -> None:
    driver = listening("call.disposition_set", "call.completed")
    driver.behave = lambda order: Behaviour(
        answers=True, ring_ms=100, talk_ms=2_000, disposition="interested"
    )
    driver.admit(campaign(), contacts(1))
    driver.run(until=1_000)
    (call,) = driver.world.calls.committed
    report = AgentReport(disposition="interested", captured={"amount": "5"})
    driver.events(AgentReported(call, report), AgentReported(call, report))
    driver.run()
    assert kinds(driver) == ["call.disposition_set", "call.completed"]
    labelled = driver.told[0].fact
    assert isinstance(labelled, CallFact)
    assert (labelled.closed, labelled.call.report) == (None, report)


def test_a_callee_who_asks_for_no_more_calls_is_told_of_with_the_list() -> None:
    driver = listening("dnc.added")
    driver.behave = lambda order: Behaviour(answers=True, ring_ms=100, talk_ms=100, disposition="dnc")
    driver.admit(campaign(), contacts(1))
    driver.run()
    entry = DncEntry("+9198*", "", "", START)
    driver.command(ListNumbers((entry,)))
    assert [told.fact.entry.pattern for told in driver.told if isinstance(told.fact, NumberFact)] == [
        "+919876500001",
        "+9198*",
    ]


def test_a_trunk_is_told_at_first_and_whenever_it_can_be_used_again_or_no_longer() -> None:
    driver = listening("trunk.up", "trunk.down")
    lab = trunk().name
    driver.events(TrunkReachability("lab", True, "Reachable"))
    driver.events(TrunkReachability("lab", None, "the manager connection is lost"))
    driver.events(TrunkReachability("lab", True, "Reachable"))
    assert kinds(driver) == ["trunk.up"]
    driver.command(ChangeTrunk(lab, paused="by order"))
    driver.events(TrunkReachability("lab", False, "Unreachable"))
    driver.command(ChangeTrunk(lab, mended=True))
    driver.events(TrunkReachability("lab", True, "Reachable"))
    assert kinds(driver) == ["trunk.up", "trunk.down", "trunk.up"]
    details = [told.fact.detail for told in driver.told if isinstance(told.fact, TrunkFact)]
    assert details == ["Reachable", "by order", "Reachable"]


def test_a_trunk_of_which_asterisk_says_nothing_is_up_again_when_somebody_says_so() -> None:
    driver = listening("*")
    driver.command(ChangeTrunk(trunk().name, paused="by order"))
    driver.command(ChangeTrunk(trunk().name, mended=True))
    assert kinds(driver) == ["trunk.down", "trunk.up"]


def test_a_trunk_whose_registration_is_refused_is_down() -> None:
    driver = Driver.ready(replace(trunk(), registration="lab-reg"))
    driver.command(AddWebhook(hook()))
    driver.events(TrunkRegistration("lab-reg", None, "unknown"), TrunkReachability("lab", True, "ok"))
    assert kinds(driver) == []
    driver.events(TrunkRegistration("lab-reg", False, "Rejected"))
    assert kinds(driver) == ["trunk.down"]


# --- who is told ---------------------------------------------------------------------------------


def test_each_webhook_is_told_of_what_it_takes_while_it_is_there_and_enabled() -> None:
    driver = Driver.ready()
    calls, dnc = hook("call.completed"), hook("dnc.added", number=2)
    driver.command(AddWebhook(calls))
    driver.command(AddWebhook(dnc))
    driver.admit(campaign(), contacts(1))
    driver.run()
    driver.command(ListNumbers((DncEntry("+911", "", "", START),)))
    assert [(told.fact.kind.value, told.webhooks) for told in driver.told] == [
        ("call.completed", (calls.id,)),
        ("dnc.added", (dnc.id,)),
    ]
    driver.command(ChangeWebhook(dnc.id, {"disabled": "by order"}))
    driver.command(ListNumbers((DncEntry("+912", "", "", START),)))
    driver.command(ChangeWebhook(dnc.id, {"disabled": None, "events": ("*",)}))
    driver.command(RemoveWebhook(calls.id))
    driver.command(ListNumbers((DncEntry("+913", "", "", START),)))
    assert len(driver.told) == 3
    assert driver.told[-1].webhooks == (dnc.id,)


def test_webhooks_are_there_after_a_restart() -> None:
    driver = listening("dnc.added")
    driver.restart()
    driver.command(ListNumbers((DncEntry("+911", "", "", START),)))
    assert kinds(driver) == ["dnc.added"]


def test_there_are_not_too_many_and_unknown_ones_are_refused() -> None:
    driver = Driver.ready()
    for number in range(MOST_WEBHOOKS):
        assert driver.command(AddWebhook(hook(number=number))) == Done(changed=True)
    full = driver.command(AddWebhook(hook(number=99)))
    assert isinstance(full, Refused)
    assert full.state == "full"
    for command in (RemoveWebhook(hook(number=99).id), ChangeWebhook(hook(number=99).id, {})):
        refused = driver.command(command)
        assert isinstance(refused, Refused)
        assert refused.unknown
    assert driver.command(ChangeWebhook(hook(number=1).id, {"description": ""})) == Done(changed=False)


# --- blocked -------------------------------------------------------------------------------------


def blocked(driver: Driver) -> list[list[str]]:
    """Why campaigns were told to be blocked."""
    return [
        [check.rule for check in told.fact.blocked]
        for told in driver.told
        if isinstance(told.fact, CampaignFact) and told.fact.kind is EventKind.CAMPAIGN_BLOCKED
    ]


def test_a_campaign_that_cannot_dial_for_five_minutes_is_told_once_with_the_reason() -> None:
    driver = listening("campaign.blocked")
    driver.events(HostDown("Asterisk is gone"))
    driver.admit(campaign(), contacts(3))
    driver.run(until=4 * MINUTE)
    assert blocked(driver) == []
    driver.run(until=8 * MINUTE)
    assert blocked(driver) == [["asterisk"]]
    driver.run(until=30 * MINUTE)
    assert len(blocked(driver)) == 1
    driver.events(HostUp("boot-2", "22.10.1", ()))
    driver.run(until=31 * MINUTE)
    assert len(driver.originated) == 3, "it can dial"


def test_a_block_that_ends_in_time_is_not_told_and_the_next_one_counts_anew() -> None:
    driver = listening("campaign.blocked")
    driver.admit(campaign(max_concurrent_calls=1), contacts(200))
    driver.run(until=10_000)
    for first in (1, 6, 11):
        driver.command(PauseDaemon())
        driver.run(until=(first + 3) * MINUTE)
        driver.command(ResumeDaemon())
        driver.run(until=(first + 4) * MINUTE)
    assert blocked(driver) == []
    driver.command(PauseDaemon())
    driver.run(until=25 * MINUTE)
    assert blocked(driver) == [["daemon"]]


def test_a_paused_campaign_is_not_blocked() -> None:
    driver = listening("campaign.blocked")
    driver.admit(campaign(), contacts(2))
    driver.command(PauseCampaign(CMP))
    driver.events(HostDown("gone"))
    driver.run(until=9 * MINUTE)
    assert blocked(driver) == []


def test_a_campaign_is_not_blocked_before_its_window_and_counted_from_its_opening() -> None:
    driver = listening("campaign.blocked")
    driver.events(HostDown("gone"))
    driver.admit(campaign(start_at=Instant(START + 20 * MINUTE)), contacts(2))
    driver.run(until=24 * MINUTE)
    assert blocked(driver) == []
    driver.run(until=27 * MINUTE)
    assert blocked(driver) == [["asterisk"]]


def test_a_campaign_whose_contacts_wait_for_their_retries_is_not_blocked() -> None:
    driver = listening("campaign.blocked")
    driver.behave = lambda order: BUSY
    driver.admit(campaign(max_attempts=2, retry_interval=Millis(30 * MINUTE)), contacts(2))
    driver.run(until=20 * MINUTE)
    assert blocked(driver) == []


def test_a_campaign_whose_long_calls_take_all_channels_is_not_blocked() -> None:
    driver = listening("campaign.blocked")
    driver.behave = lambda order: Behaviour(answers=True, ring_ms=100, talk_ms=9 * MINUTE)
    driver.admit(campaign(max_concurrent_calls=1), contacts(3))
    driver.run(until=8 * MINUTE)
    assert blocked(driver) == []


def test_a_webhook_that_comes_later_is_told_of_a_campaign_that_is_blocked_by_then() -> None:
    driver = Driver.ready()
    driver.events(HostDown("gone"))
    driver.admit(campaign(), contacts(1))
    driver.run(until=10 * MINUTE)
    driver.command(AddWebhook(hook("campaign.blocked")))
    driver.run(until=17 * MINUTE)
    assert blocked(driver) == [["asterisk"]]
