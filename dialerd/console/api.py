"""Requests to the daemon's HTTP API, with one user's key. The key goes into the request's header and nowhere else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx

from dialerd.console import happening
from dialerd.console.happening import Happening
from dialerd.console.problem import Away, Refused

PAGE = 100
"""Items the API gives at a time at most."""

_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
# A new campaign may wait for its script to be spoken, a forecast for its world to run.
_PATIENT = httpx.Timeout(180.0, connect=5.0)
# The daemon shows every 15 seconds that a stream lives.
_STREAM = httpx.Timeout(30.0, read=45.0, connect=5.0)


def path(*parts: str) -> str:
    """A path of the API, whatever the parts hold."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def connections(url: str) -> httpx.AsyncClient:
    """The connections to the daemon at `url` that all users share."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx.AsyncClient(base_url=url, timeout=_TIMEOUT, trust_env=False, limits=limits)


class Api:
    """The API as the holder of a key may use it."""

    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client = client
        self._key = key

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON at `path`. Raises `Refused`, `Away`."""
        return await self._send("GET", path, params=_given(params))

    async def post(self, path: str, body: Mapping[str, Any] | None = None, once: str | None = None) -> Any:
        """Send JSON; `once` names the request, so that it is carried out once. Raises `Refused`, `Away`."""
        return await self._send("POST", path, headers=_named(once), json=dict(body or {}), timeout=_PATIENT)

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change what is at `path`. Raises `Refused`, `Away`."""
        return await self._send("PATCH", path, json=dict(body))

    async def delete(self, path: str) -> Any:
        """Delete what is at `path`. Raises `Refused`, `Away`."""
        return await self._send("DELETE", path)

    async def post_list(
        self, path: str, campaign: Mapping[str, Any], contacts: bytes, once: str | None = None
    ) -> Any:
        """Send the fields of a campaign and its list as CSV. Raises `Refused`, `Away`."""
        files = {
            "campaign": (None, json.dumps(campaign).encode(), "application/json"),
            "contacts": ("contacts.csv", contacts, "text/csv"),
        }
        return await self._send("POST", path, headers=_named(once), files=files, timeout=_PATIENT)

    async def send_yaml(self, method: str, path: str, text: bytes, **params: Any) -> Any:
        """Send a script. Raises `Refused`, `Away`."""
        headers = {"Content-Type": "application/yaml"}
        return await self._send(
            method, path, headers=headers, content=text, params=_given(params), timeout=_PATIENT
        )

    async def everything(self, path: str, most: int, **params: Any) -> list[Any]:
        """The first `most` items of a list. Raises `Refused`, `Away`."""
        found: list[Any] = []
        while len(found) < most:
            page = await self.get(path, limit=min(PAGE, most - len(found)), offset=len(found), **params)
            found += page["data"]
            if not page["data"] or len(found) >= page["total"]:
                break
        return found

    async def events(self, after: str | None) -> AsyncIterator[Happening | None]:
        """Events from behind `after` on, None where the stream only shows that it lives. Raises `Refused`, `Away`."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
        async with self.stream("/v1/events", headers) as response:
            try:
                if not response.is_success:
                    await response.aread()
                    raise _refusal(response)
                async for found in happening.read(response.aiter_lines()):
                    yield found
            except httpx.HTTPError as error:
                raise Away(str(error) or type(error).__name__) from None

    @asynccontextmanager
    async def stream(
        self, path: str, headers: Mapping[str, str], params: Mapping[str, Any] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """The answer at `path`, whatever its status, to be read part by part. Raises `Away`."""
        request = self._client.build_request(
            "GET", path, headers={**headers, **self._auth}, params=_given(params or {}), timeout=_STREAM
        )
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise Away(str(error) or type(error).__name__) from None
        try:
            yield response
        finally:
            await response.aclose()

    @property
    def _auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **request: Any
    ) -> Any:
        try:
            response = await self._client.request(
                method, path, headers={**(headers or {}), **self._auth}, **request
            )
        except httpx.HTTPError as error:
            raise Away(str(error) or type(error).__name__) from None
        if not response.is_success:
            raise _refusal(response)
        try:
            return response.json() if response.content else None
        except ValueError:
            raise Refused(response.status_code, {}) from None


def _named(once: str | None) -> dict[str, str]:
    return {} if once is None else {"Idempotency-Key": once}


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if value is not None}


def _refusal(response: httpx.Response) -> Refused:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    return Refused(response.status_code, problem if isinstance(problem, dict) else {})
