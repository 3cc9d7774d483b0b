"""Somebody who works with a running daemon over its Unix socket, as programs do: JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.kill.drill import until

_SCRIPT = "personal-loan-cross-sell"
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Ready:
    """What `/readyz` says."""

    ready: bool
    problems: str


class Operator:
    """Requests to the daemon at `socket`; one that is refused is an `AssertionError` with the daemon's words."""

    def __init__(self, socket: str) -> None:
        self._client = httpx.Client(
            base_url="http://dialerd",
            transport=httpx.HTTPTransport(uds=socket),
            timeout=_TIMEOUT,
            trust_env=False,
        )

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def get(self, path: str) -> Any:
        """The JSON at `path`."""
        return self.send("GET", path).json()

    def post(self, path: str, **body: Any) -> Any:
        """Send a JSON object; 202 is a refusal here, since something was in flight still."""
        response = self.send("POST", path, body)
        assert response.status_code in (200, 201), response.text
        return response.json()

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """The answer to a request that is not refused."""
        response = self._client.request(method, path, json=body)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response

    def ready(self) -> Ready:
        """Whether calls can be placed, and what keeps them from it."""
        response = self._client.get("/readyz")
        said = response.json()
        assert response.status_code == (200 if said["ready"] else 503)
        return Ready(said["ready"], "; ".join(said["problems"]))

    def add_script(self, path: Path) -> None:
        """Bring it a script."""
        text = path.read_bytes()
        response = self._client.post(
            "/v1/scripts", content=text, headers={"Content-Type": "application/yaml"}
        )
        assert response.status_code == 201, response.text

    # --- campaigns -------------------------------------------------------------------------------

    def campaign(self, numbers: Sequence[str], **fields: Any) -> str:
        """Create a campaign and start it, unless its schedule does; returns its id."""
        created = self.post(
            "/v1/campaigns",
            **{"name": "e2e", "script_id": _SCRIPT, "language": "en-IN"},
            contacts=[{"phone": number} for number in numbers],
            **fields,
        )
        ident = created["campaign_id"]
        if "start_time" not in fields.get("schedule", {}):
            self.post(f"/v1/campaigns/{ident}/start")
        return str(ident)

    def shown(self, campaign: str) -> Any:
        """The campaign as it stands."""
        return self.get(f"/v1/campaigns/{campaign}")

    def blockers(self, campaign: str) -> dict[str, Any]:
        """Why it is not dialing now, by reason."""
        return {found["reason"]: found for found in self.shown(campaign)["blocked"]}

    def reasons(self, campaign: str, number: str) -> dict[str, Any]:
        """Why a contact of it is not being dialed now, by reason."""
        why = self.get(f"/v1/campaigns/{campaign}/contacts/{number}/why")
        return {found["reason"]: found for found in why["reasons"]}

    def await_end(self, campaign: str, seconds: float = 60) -> Any:
        """The campaign, once it is completed."""
        until(
            lambda: self.shown(campaign)["status"] == "completed", seconds, "the campaign does not complete"
        )
        return self.shown(campaign)

    def await_problem(self, *words: str, seconds: float = 30) -> None:
        """Return when `/readyz` says no, in these words among others."""
        until(
            lambda: all(word in self.ready().problems for word in words),
            seconds,
            f"/readyz does not say {words}",
        )

    def await_ready(self, seconds: float = 30) -> None:
        """Return when calls can be placed."""
        until(lambda: self.ready().ready, seconds, "the daemon does not get ready again")
