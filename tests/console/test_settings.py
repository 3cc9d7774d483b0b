"""Webhooks, keys and the audit log: forms as requests, and what is told of them in words."""

from __future__ import annotations

import re
from inspect import getsource
from typing import Any

import pytest

from dialerd.console import audit_text, key_text, once, webhook_text
from dialerd.console.audit_text import Question
from dialerd.console.problem import Fault
from dialerd.console.webhook_draft import GROUPS, WebhookDraft
from dialerd.core.webhook import EventKind
from dialerd.engine import agents, deeds, keys, scripts

HOOK = {
    "url": "https://crm.example.com/hook",
    "events": ["call.completed", "dnc.added"],
    "enabled": True,
    "disabled_reason": None,
}
KEY = {
    "key_id": "key_0123456789ab",
    "name": "crm",
    "scope": "write",
    "created_at": "2027-01-15T03:30:00Z",
    "last_used_at": None,
    "revoked_at": None,
    "current": False,
}
DELIVERY = {
    "delivery_id": "msg_0123456789ab",
    "event": "call.completed",
    "state": "waiting",
    "attempts": 2,
    "created_at": "2027-01-15T03:30:00Z",
    "next_attempt_at": "2027-01-15T03:31:00Z",
    "status_code": 500,
    "detail": "answered 500",
    "payload": {"type": "call.completed", "data": {"id": "cal_1", "campaign_id": "cmp_1"}},
}


def test_a_webhook_is_asked_for_as_the_form_has_it() -> None:
    draft = WebhookDraft(url=" https://crm.example.com/hook ")
    assert draft.fields() == {"url": "https://crm.example.com/hook", "events": ["*"]}
    draft.everything, draft.description = False, "the CRM"
    draft.chosen["dnc.added"] = draft.chosen["call.completed"] = True
    assert draft.fields()["events"] == ["call.completed", "dnc.added"]
    assert draft.fields()["description"] == "the CRM"
    assert WebhookDraft(everything=False).fields() == {}, "the API says what is missing"


def test_every_event_of_the_api_can_be_ticked() -> None:
    offered = [event for group in GROUPS.values() for event in group]
    assert offered == [kind.value for kind in EventKind]


def test_a_request_has_a_name_of_its_form_and_its_content() -> None:
    asked = {"name": "crm", "scope": "read"}
    assert once.name("form", asked) == once.name("form", dict(reversed(asked.items())))
    assert len({once.name("form", asked), once.name("other", asked), once.name("form", {"name": "x"})}) == 3


@pytest.mark.parametrize("loc", ["events", "events.0", "events[2]"])
def test_a_fault_is_told_at_the_field_in_which_it_is(loc: str) -> None:
    assert Fault(loc, "is no event").field == "events"


def test_a_webhook_says_what_it_is_told_and_why_not() -> None:
    assert webhook_text.events(HOOK) == "call.completed, dnc.added"
    assert webhook_text.events({"events": ["*"]}) == "all events"
    assert (webhook_text.state(HOOK), webhook_text.why_disabled(HOOK)) == (("Enabled", "good"), "")
    disabled = {**HOOK, "enabled": False, "disabled_reason": "410 Gone"}
    assert webhook_text.state(disabled) == ("Disabled", "warn")
    assert webhook_text.why_disabled(disabled).startswith("Nothing is sent to it: 410 Gone.")


def test_deliveries_are_counted_by_what_became_of_them() -> None:
    assert webhook_text.going(waiting=0, dead=0, total=0) == "none yet"
    assert webhook_text.going(waiting=0, dead=0, total=1_200) == "1,200 delivered"
    assert webhook_text.going(waiting=2, dead=1, total=3) == "2 waiting, 1 dead"


def test_a_delivery_says_where_it_stands_and_leads_to_its_call() -> None:
    told = webhook_text.delivery(DELIVERY, may=True)
    assert (told["state"], told["tone"], told["next"]) == ("Waiting", "warn", "15 Jan, 03:31:00")
    assert (told["answer"], told["href"], told["again"]) == ("answered 500", "/calls/cal_1", "Try now")
    taken = {
        **DELIVERY,
        "state": "delivered",
        "next_attempt_at": None,
        "status_code": 204,
        "detail": None,
        "payload": {"data": {"campaign_id": "cmp_1"}},
    }
    told = webhook_text.delivery(taken, may=True)
    assert (told["tone"], told["next"], told["answer"]) == ("good", "–", "answered 204")
    assert (told["href"], told["again"]) == ("/campaigns/cmp_1", "Send again")
    fresh = {**DELIVERY, "attempts": 0, "status_code": None, "detail": None, "payload": {}}
    told = webhook_text.delivery(fresh, may=False)
    assert (told["tone"], told["answer"], told["href"], told["again"]) == ("", "not tried yet", "", "")


def test_a_test_says_what_the_receiver_said() -> None:
    assert "it answered 204" in webhook_text.tested({"delivered": True, "status_code": 204, "detail": None})
    refused = {"delivered": False, "status_code": None, "detail": "connection refused"}
    assert webhook_text.tested(refused) == "The receiver did not take the test: connection refused."


def test_a_key_is_asked_for_with_what_was_typed() -> None:
    assert key_text.fields(" crm ", "read") == {"name": "crm", "scope": "read"}
    assert key_text.fields("", "admin") == {"scope": "admin"}
    assert tuple(key_text.SCOPES) == keys.SCOPES


def test_ones_own_key_is_marked_and_a_revoked_one_stays_so() -> None:
    told = key_text.row(KEY)
    assert (told["name"], told["used"], told["state"], told["revoke"]) == ("crm", "never", "Valid", "Revoke")
    assert told["href"] == "/audit?actor=key_0123456789ab"
    own = key_text.row({**KEY, "name": "", "current": True})
    assert (own["name"], own["state"], own["tone"]) == ("key_0123456789ab", "Yours, in use", "good")
    revoked = key_text.row({**KEY, "revoked_at": "2027-01-16T03:30:00Z"})
    assert (revoked["state"], revoked["revoke"]) == ("Revoked 16 Jan, 03:30:00", "")
    assert key_text.question({**KEY, "current": True}).startswith("You are logged in with this key")
    assert "you" not in key_text.question(KEY).lower()


def test_the_audit_log_is_asked_for_what_was_filled_in() -> None:
    assert Question().params() == {}
    asked = Question(" crm ", "key.created", "", "2027-01-15", None)
    assert asked.params() == {"actor": "crm", "action": "key.created", "from": "2027-01-15"}


def test_every_change_has_words() -> None:
    written = "".join(getsource(module) for module in (deeds, keys, agents, scripts))
    named = set(
        re.findall(r'"((?:campaign|call|contact|dnc|script|agent|trunk|daemon|webhook|key)\.\w+)"', written)
    )
    assert named == set(audit_text.ACTIONS)


DEED: dict[str, Any] = {
    "id": 1,
    "at": "2027-01-15T03:30:00Z",
    "actor": "key_0123456789ab",
    "actor_name": "asha",
    "origin": "10.1.0.7",
    "action": "campaign.edited",
    "object": "cmp_1",
    "details": {"changed": {"name": "New", "max_attempts": 3, "recording": True}},
}


def test_a_change_says_who_made_it_from_where_and_leads_to_it() -> None:
    told = audit_text.row(DEED, whole=False)
    assert told["who"] == "asha (key_0123456789ab)"
    assert (told["action"], told["origin"], told["href"]) == (
        "Campaign edited",
        "10.1.0.7",
        "/campaigns/cmp_1",
    )
    assert told["details"] == "changed name: New, max attempts: 3, recording: yes"


def test_what_was_left_empty_is_not_told() -> None:
    assert audit_text.told({"name": "", "scope": "admin"}) == "scope: admin"


def test_numbers_in_the_audit_log_are_masked_and_what_is_deleted_is_no_link() -> None:
    listed = {
        **DEED,
        "action": "dnc.added",
        "object": "+919876543210",
        "details": {"reason": "+919876543210"},
    }
    told = audit_text.row(listed, whole=False)
    assert (told["about"], told["details"], told["href"]) == ("+91 ••• 10", "reason: +91 ••• 10", "/dnc")
    assert audit_text.row(listed, whole=True)["about"] == "+919876543210"
    assert audit_text.target("campaign.deleted", "cmp_1") == ""
    assert audit_text.target("daemon.paused", None) == ""
    assert audit_text.target("script.created", "a/b") == "/scripts/a%2Fb"


def test_who_has_no_key_is_named_too() -> None:
    local = {"actor": "uid:0", "actor_name": "root"}
    assert audit_text.who(local) == "root (uid:0)"
    assert audit_text.who({"actor": "daemon", "actor_name": None}) == "dialerd itself"
    assert audit_text.origin("unix") == "Unix socket"
    assert audit_text.origin(None) == "–"
