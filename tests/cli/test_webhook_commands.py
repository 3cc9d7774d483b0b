"""dialerctl webhook …"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from dialerd.core.delivery import Reply, message_id
from dialerd.sim.webhooks import TAKEN
from tests.control.serving import Served

from .test_dialerctl import Ctl, ctl, daemon

__all__ = ["ctl", "daemon"]

URL = "https://crm.example.com/hook"


@pytest.fixture
def hook(ctl: Ctl, daemon: Served) -> str:
    daemon.inside.webhooks.answer = lambda message: TAKEN
    made = ctl("webhook", "add", URL, "--event", "dnc.added", "--description", "CRM")
    assert made.code == 0, made.err
    assert made.value("secret").startswith("whsec_")
    assert "not shown again" in made.out
    return made.value("webhook_id")


Settled = Callable[[str, str], str]


@pytest.fixture
def settled(daemon: Served, capsys: pytest.CaptureFixture[str]) -> Settled:
    """Waits until the only delivery of a webhook is in a state; returns its id."""

    def wait(hook: str, state: str) -> str:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            rows = list(daemon.inside.store.disk.deliveries.committed.values())
            found = [row for row in rows if (row.webhook, row.state) == (hook, state)]
            if found:
                # The daemon, which runs in this process here, has logged.
                capsys.readouterr()
                return message_id(found[0].number)
            time.sleep(0.05)
        raise AssertionError(f"no delivery is {state}")

    return wait


def test_a_webhook_is_added_shown_changed_and_removed(ctl: Ctl, hook: str) -> None:
    shown = ctl("webhook", "show", hook)
    assert (shown.value("url"), shown.value("events"), shown.value("enabled")) == (URL, "dnc.added", "yes")
    assert (shown.value("waiting"), shown.value("dead")) == ("0", "0")
    assert ctl("webhook", "show", hook, "--json").json["deliveries"] == {
        "waiting": 0,
        "delivered": 0,
        "dead": 0,
    }
    assert hook in ctl("webhook", "list").out
    changed = ctl("webhook", "set", hook, "--disable", "--new-secret", "--event", "*", "--json").json
    assert (changed["enabled"], changed["events"], changed["secret"][:6]) == (False, ["*"], "whsec_")
    assert ctl("webhook", "set", hook, "--enable").value("enabled") == "yes"
    assert ctl("webhook", "remove", hook).out == f"removed: {hook}\n"
    gone = ctl("webhook", "show", hook)
    assert (gone.code, "next: the list commands show what there is" in gone.err) == (1, True)


def test_what_it_was_told_is_listed_and_sent_again(
    ctl: Ctl, hook: str, daemon: Served, settled: Settled
) -> None:
    daemon.inside.webhooks.answer = lambda message: Reply(410)
    assert ctl("dnc", "add", "+15550100199").code == 0
    dead = settled(hook, "dead")
    table = ctl("webhook", "deliveries", hook).out
    assert dead in table
    assert "answered 410" in table
    refused = ctl("webhook", "redeliver", hook)
    assert (refused.code, "disabled" in refused.err) == (1, True)
    daemon.inside.webhooks.answer = lambda message: TAKEN
    ctl("webhook", "set", hook, "--enable")
    assert ctl("webhook", "redeliver", hook).out == "sent again: 1\n"
    assert settled(hook, "delivered") == dead
    assert ctl("webhook", "redeliver", hook, dead, "--json").json == {"redelivered": 1}
    assert ctl("webhook", "redeliver", hook, "msg_000000000000").code == 1


def test_a_test_tells_whether_it_was_taken(ctl: Ctl, hook: str, daemon: Served) -> None:
    taken = ctl("webhook", "test", hook)
    assert (taken.code, taken.out) == (0, "delivered: it answered 204\n")
    daemon.inside.webhooks.answer = lambda message: Reply(500, "answered 500")
    refused = ctl("webhook", "test", hook)
    assert (refused.code, refused.out) == (1, "not delivered: answered 500\n")
    assert ctl("webhook", "test", hook, "--json").json["status_code"] == 500


def test_bad_input_is_named(ctl: Ctl, daemon: Served) -> None:
    daemon.inside.webhooks.refused["http://10.0.0.1/"] = (
        "http is for hosts and networks in webhooks.allow alone"
    )
    wrong = ctl("webhook", "add", "http://10.0.0.1/", "--event", "call.begun")
    assert wrong.code == 2
    assert "events.0:" in wrong.err
    assert "url: http is for" in wrong.err


def test_status_counts_them(ctl: Ctl, hook: str) -> None:
    assert re.search(
        r"^webhooks: [1-9]\d* \(\d+ deliveries wait, \d+ are dead\)$", ctl("status").out, re.MULTILINE
    )
