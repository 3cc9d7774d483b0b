"""Requests made from the API's own description, good and bad ones, over both transports.

`DIALERD_CASES=5000` makes that many over each, in all phases; without it there are as many as a test run has time for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialerd.core.messages import TryShown
from tests.control.relay import relayed
from tests.control.serving import Served, served
from tests.control.test_openapi import CHOSEN, parse

CASES = int(os.environ.get("DIALERD_CASES", "0"))
OPERATIONS = 72
PHASES = {"tcp": "examples,coverage", "unix": "fuzzing,stateful"}
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
ROOT = Path(__file__).parents[2]
DEADLINE = 3_600 if CASES else 300


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, parse=parse) as running:
        inside = running.inside
        # Without this each pause would wait two seconds for originates that never show themselves.
        inside.telephony.then = lambda order: inside.engine.post(TryShown(order.channel))
        running.loop.call_soon_threadsafe(inside.connect)
        yield running


def there(client: httpx.Client) -> dict[str, str]:
    """Something of every noun, by the parameter that names it."""
    document = client.get("/openapi.json").json()
    content = document["paths"]["/v1/scripts"]["post"]["requestBody"]["content"]
    yaml = content["application/yaml"]["example"]
    client.post(
        f"/v1/scripts?script_id={CHOSEN}", content=yaml, headers={"Content-Type": "application/yaml"}
    ).raise_for_status()
    spoken = {"script_id": CHOSEN, "language": "hi-IN"}
    campaign = {"name": "x", "keep_open": True, "contacts": [{"phone": "+919876500001"}], **spoken}
    return {
        "script_id": CHOSEN,
        "agent_id": made(client, "/v1/agents", {"agent_name": "Priya"})["agent_id"],
        "campaign_id": made(client, "/v1/campaigns", campaign)["campaign_id"],
        "call_id": made(client, "/v1/calls", {"phone": "+919876500002", **spoken})["id"],
        "name": "lab",
    }


def made(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def tried(daemon: Served, url: str, headers: dict[str, str], transport: str, state: Path) -> str:
    """What schemathesis has to say."""
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        known = there(client)
    options = [
        *("--checks", ",".join(CHECKS)),
        *("--phases", "examples,coverage,fuzzing,stateful" if CASES else PHASES[transport]),
        *("--max-examples", str(max(2, CASES // OPERATIONS))),
        # A stream ends when its reader leaves; the key that is used must not be revoked.
        *("--exclude-path-regex", "/events$", "--exclude-operation-id", "revoke_key"),
        *("--continue-on-failure", "--no-color", "--request-timeout", "30"),
        *(f"--header={name}: {value}" for name, value in headers.items()),
    ]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json", *options],
        cwd=state,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.control.realistic",
            "DIALERD_THERE": json.dumps(known),
        },
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    if CASES:
        (Path.cwd() / f"schemathesis-{transport}.txt").write_text(done.stdout)
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
    return done.stdout


def test_no_request_over_tcp_is_answered_otherwise_than_described(daemon: Served, tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {daemon.key()}"}
    assert " passed" in tried(daemon, daemon.url, headers, "tcp", tmp_path)


def test_no_request_over_the_unix_socket_is_answered_otherwise_than_described(
    daemon: Served, tmp_path: Path
) -> None:
    with relayed(daemon.socket) as url:
        assert " passed" in tried(daemon, url, {}, "unix", tmp_path)
