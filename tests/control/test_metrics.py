"""Figures for Prometheus: read by its own parser, and moved by what happens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from dialerd.control.observation import Pulse
from dialerd.core.messages import OriginateAccepted, TrunkReachability, TryEnded
from tests.control.installation import Installation, client_of, installation

CALL = {"phone": "+919876540001", "script_id": "loan", "language": "en-IN", "variables": {"loan_amount": 5}}


async def figures(api: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    answer = await api.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_before_anything_is_connected_it_says_so(api: httpx.AsyncClient) -> None:
    found = await figures(api)
    assert found["dialerd_dialing",] == 0
    assert found["dialerd_up", "asterisk"] == 0
    assert found["dialerd_up", "store"] == 1
    assert found["dialerd_trunk_channels", "lab"] == 10
    assert found["dialerd_info", "0.0.0"] == 1
    assert found["dialerd_loop_lag_seconds",] >= 0


async def test_each_media_worker_has_figures_of_its_own(api: httpx.AsyncClient) -> None:
    found = await figures(api)
    told = {
        name: (found[f"dialerd_media_worker_{name}", "1"], found[f"dialerd_media_worker_{name}", "2"])
        for name in ("ready", "sessions", "sessions_limit", "loop_lag_seconds")
    }
    assert told == {
        "ready": (1, 0), "sessions": (3, 7), "sessions_limit": (50, 50), "loop_lag_seconds": (0.004, 0.5),
    }  # fmt: skip


async def test_a_call_moves_the_figures_and_what_stood_in_the_way_is_counted(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await daemon.add_script()
    daemon.connect()
    assert (await api.post("/v1/calls", json=CALL)).status_code == 201
    found = await figures(api)
    assert (found["dialerd_dialing",], found["dialerd_live_calls",]) == (1, 1)
    (order,) = daemon.telephony.originated
    assert found["dialerd_trunk_originates_total", str(order.trunk)] == 1
    assert found["dialerd_trunk_channels_in_use", str(order.trunk)] == 1
    daemon.engine.post(OriginateAccepted(order.channel))
    daemon.engine.post(TryEnded(order.channel, 17, 486))
    daemon.engine.post(TrunkReachability("spare", False, "gone"))
    async with asyncio.timeout(20):
        while (await figures(api))["dialerd_live_calls",]:
            await asyncio.sleep(0.01)
    found = await figures(api)
    assert found["dialerd_calls_ended_total", "not_reachable", "busy"] == 1
    assert found["dialerd_trunk_usable", "spare"] == 0


async def test_refusals_of_campaigns_are_counted_by_rule(
    api: httpx.AsyncClient, daemon: Installation
) -> None:
    await daemon.add_script()
    daemon.connect()
    body = {
        "name": "x",
        "script_id": "loan",
        "language": "en-IN",
        "max_concurrent_calls": 1,
        "contacts": [{"phone": f"+9198765400{n:02}", "loan_amount": 5} for n in range(5)],
    }
    ident = (await api.post("/v1/campaigns", json=body)).json()["campaign_id"]
    assert (await api.post(f"/v1/campaigns/{ident}/start")).status_code == 200
    async with asyncio.timeout(20):
        while not daemon.telephony.originated:
            await asyncio.sleep(0.01)
    assert (await figures(api))["dialerd_gate_refusals_total", "campaign-concurrency"] >= 1


async def test_figures_take_a_key(tmp_path: Path) -> None:
    async with installation(tmp_path) as daemon, client_of(daemon) as api:
        assert (await api.get("/metrics")).status_code == 200
        transport = httpx.ASGITransport(daemon.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://dialerd") as nobody:
            assert (await nobody.get("/metrics")).status_code == 401


def test_the_pulse_keeps_the_last_and_the_longest_delay() -> None:
    pulse = Pulse()
    for late in (0.01, 0.3, -0.002):
        pulse.beat(late)
    assert (pulse.lag, pulse.most) == (0.0, 0.3)
