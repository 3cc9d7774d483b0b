"""The rate limit of a key: counted, told in headers, and never in the way of what keeps people safe."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from dialerd.control.ratelimit import RateLimit
from tests.control.installation import client_of, installation


async def test_a_key_is_told_what_is_left_and_when_it_is_used_up(tmp_path: Path) -> None:
    async with installation(tmp_path, requests_per_minute=3) as daemon, client_of(daemon) as api:
        for left in (2, 1, 0):
            answer = await api.get("/v1/status")
            assert answer.status_code == 200
            assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == (
                "3",
                str(left),
            )
            assert 0 < int(answer.headers["x-ratelimit-reset"]) <= 60
        refused = await api.get("/v1/status")
        assert refused.status_code == 429
        assert refused.json()["type"] == "urn:dialerd:problem:rate-limit"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.headers["x-ratelimit-remaining"] == "0"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/pause", {}),
        ("/v1/panic", {}),
        ("/v1/dnc", {"phone": "+15550100199"}),
        ("/v1/campaigns/cmp_000000000001/stop", {}),
        ("/v1/campaigns/cmp_000000000001/pause", {}),
        ("/v1/calls/cal_000000000001/hangup", None),
    ],
)
async def test_halts_hang_ups_and_do_not_call_are_never_refused(
    path: str, body: dict[str, str] | None, tmp_path: Path
) -> None:
    async with installation(tmp_path, requests_per_minute=1) as daemon, client_of(daemon) as api:
        assert (await api.get("/v1/status")).status_code == 200
        assert (await api.get("/v1/status")).status_code == 429
        for _ in range(3):
            assert (await api.post(path, json=body)).status_code in (200, 201, 404)


async def test_each_key_has_its_own_limit_and_probes_have_none(tmp_path: Path) -> None:
    async with (
        installation(tmp_path, requests_per_minute=1) as daemon,
        client_of(daemon) as one,
        client_of(daemon) as two,
    ):
        for api in (one, two):
            assert (await api.get("/v1/status")).status_code == 200
            assert (await api.get("/v1/status")).status_code == 429
        transport = httpx.ASGITransport(daemon.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://dialerd") as nobody:
            for _ in range(3):
                assert (await nobody.get("/healthz")).status_code == 200
            assert (await nobody.get("/v1/status")).status_code == 401


def test_a_minute_later_the_key_may_ask_again() -> None:
    now = 100.0
    limit = RateLimit(2, lambda: now)
    taken = [limit.take("k", free=False) for _ in range(3)]
    assert [one.refused for one in taken if one is not None] == [False, False, True]
    now += 59.0
    again = limit.take("k", free=False)
    assert again is not None
    assert (again.refused, again.reset) == (True, 1)
    now += 1.0
    again = limit.take("k", free=False)
    assert again is not None
    assert (again.refused, again.remaining) == (False, 1)
    assert RateLimit(0).take("k", free=False) is None
