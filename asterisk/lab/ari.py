"""As much of ARI as it takes to know that the pbx is ready."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any


class Client:
    """One request, one connection: the pbx may be booting, and this asks seldom."""

    def __init__(self, port: int, password: str) -> None:
        self._port = port
        login = base64.b64encode(f"dialerd:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}"}

    def is_booted(self) -> bool:
        """Booting shows as a refused connection, then 404 (HTTP without ARI), then 503."""
        return self._get("asterisk/info?only=status") is not None

    def trunk_is_online(self) -> bool:
        endpoint = self._get("endpoints/PJSIP/lab")
        return endpoint is not None and endpoint["state"] == "online"

    def _get(self, path: str) -> dict[str, Any] | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
        try:
            connection.request("GET", f"/ari/{path}", headers=self._headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        if response.status != 200:
            return None
        found: dict[str, Any] = json.loads(body)
        return found
