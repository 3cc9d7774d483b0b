"""Requests to the daemon, and what went wrong with them in terms of exit codes."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import httpx

DEFAULT_SOCKET = "/run/dialerd/control.sock"
PAGE = 100
"""Items the API gives at a time."""

REFUSED, BAD_INPUT, UNREACHABLE = 1, 2, 3
"""Exit codes."""

_BAD_INPUT = (400, 413, 415, 422)
# Creating a campaign may wait for the script's prompts to be rendered.
# The daemon shows every 15 seconds that a stream lives.
_STREAM = httpx.Timeout(30.0, read=45.0, connect=5.0)
_TIMEOUT = httpx.Timeout(30.0, read=180.0, connect=5.0)


class CliError(Exception):
    """A command failed; `problem` is what the daemon said, or the like of it."""

    def __init__(self, exit_code: int, problem: Mapping[str, Any], next_step: str | None = None) -> None:
        super().__init__(str(problem.get("detail", "")))
        self.exit_code = exit_code
        self.problem = problem
        self.next_step = next_step


def bad_input(detail: str, next_step: str | None = None) -> CliError:
    """The command line itself is wrong."""
    return CliError(BAD_INPUT, {"title": "Bad input", "detail": detail}, next_step)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the daemon is."""

    socket: str | None
    url: str | None
    key: str | None = field(default=None, repr=False)

    @classmethod
    def choose(
        cls, socket: str | None, url: str | None, key: str | None, key_file: Path | None = None
    ) -> Target:
        """Options first, then the environment; the Unix socket unless a URL is given. Raises `CliError`."""
        if key_file is not None:
            if key is not None:
                raise bad_input("the key is given twice: with --key-file and with --key")
            key = _key_in(key_file)
        key = key or os.environ.get("DIALERD_KEY")
        if url is None and socket is None:
            url = os.environ.get("DIALERD_URL")
        if url:
            return cls(None, url, key)
        return cls(socket or os.environ.get("DIALERD_CONTROL__SOCKET") or DEFAULT_SOCKET, None)

    def __str__(self) -> str:
        return self.url or str(self.socket)


def _key_in(path: Path) -> str:
    """The key that a file holds. Raises `CliError`, also for a file that everybody on the machine can read."""
    try:
        with path.open(encoding="ascii") as file:
            everybody = os.fstat(file.fileno()).st_mode & stat.S_IROTH
            words = file.read(4_096).split()
    except (OSError, UnicodeDecodeError) as error:
        raise bad_input(f"cannot read the key in {path}: {error}") from None
    if everybody:
        raise bad_input(f"everybody on this machine can read the key in {path}", f"chmod 600 {path}")
    if len(words) != 1:
        raise bad_input(f"{path} must hold an API key and nothing else")
    return words[0]


class Api:
    """The daemon's API."""

    def __init__(self, target: Target) -> None:
        self._target = target
        headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
        # Loading the certificates takes longer than a request; only https needs them.
        secure = (target.url or "").lower().startswith("https:")
        transport = httpx.HTTPTransport(uds=target.socket, verify=secure)
        try:
            self._client = httpx.Client(
                base_url=target.url or "http://dialerd",
                headers=headers,
                transport=transport,
                timeout=_TIMEOUT,
                trust_env=False,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise bad_input(f"cannot use {target.url!r} with this key: {error}") from None

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON at `path`. Raises `CliError`."""
        return self._send("GET", path, params=_given(params))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a JSON body. Raises `CliError`."""
        return self._send("POST", path, **_json(body or {}))

    def send_text(
        self, method: str, path: str, text: bytes, media_type: str, params: Mapping[str, Any]
    ) -> Any:
        """Send a document as it is. Raises `CliError`."""
        return self._send(
            method, path, content=text, headers={"Content-Type": media_type}, params=_given(params)
        )

    def post_list(self, path: str, campaign: bytes, contacts: Path) -> Any:
        """Send campaign fields and a CSV file. Raises `CliError`."""
        try:
            with _opened(contacts) as file:
                files = {
                    "campaign": (None, campaign, "application/json"),
                    "contacts": ("contacts.csv", file, "text/csv"),
                }
                return self._send("POST", path, files=files)
        except OSError as error:
            raise bad_input(f"cannot read {contacts}: {error.strerror}") from None

    def post_csv(self, path: str, part: str, csv: Path, params: Mapping[str, Any] | None = None) -> Any:
        """Send a CSV file as the multipart part `part`. Raises `CliError`."""
        try:
            with _opened(csv) as file:
                files = {part: (csv.name, file, "text/csv")}
                return self._send("POST", path, files=files, params=_given(params))
        except OSError as error:
            raise bad_input(f"cannot read {csv}: {error.strerror}") from None

    def patch(self, path: str, body: Mapping[str, Any], if_match: str | None = None) -> Any:
        """Change fields of what is at `path`, if its ETag is still `if_match`. Raises `CliError`."""
        request = _json(body)
        if if_match is not None:
            request["headers"]["If-Match"] = if_match
        return self._send("PATCH", path, **request)

    def delete(self, path: str) -> Any:
        """Delete what is at `path`; what is left of it, None: nothing. Raises `CliError`."""
        return self._send("DELETE", path)

    def pages(self, path: str, params: Mapping[str, Any], limit: int) -> dict[str, Any]:
        """The first `limit` items of a list, however many requests that takes."""
        page: dict[str, Any] = self.get(path, {**params, "limit": min(PAGE, limit)})
        while len(page["data"]) < min(limit, page["total"]):
            rest = min(PAGE, limit - len(page["data"]))
            more = self.get(path, {**params, "limit": rest, "offset": len(page["data"])})
            if not more["data"]:
                break
            page["data"] += more["data"]
        return {**page, "limit": limit}

    def events(self, path: str, after: str | None) -> Iterator[dict[str, Any]]:
        """Server-sent events from behind `after` on, until the daemon ends them. Raises `CliError`."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
        try:
            with self._client.stream("GET", path, headers=headers, timeout=_STREAM) as response:
                if not response.is_success:
                    response.read()
                    raise _refusal(response)
                yield from _events(response.iter_lines())
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise bad_input(f"cannot use {self._target}: {error}") from None
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def download(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[bytes]:
        """A file, part by part. Raises `CliError`, also where it breaks off."""
        try:
            with self._client.stream("GET", path, params=_given(params)) as response:
                if not response.is_success:
                    response.read()
                    raise _refusal(response)
                yield from response.iter_bytes()
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise bad_input(f"cannot use {self._target}: {error}") from None
        except httpx.RemoteProtocolError:
            problem = {"title": "Incomplete", "detail": "dialerd has broken the file off; its log says why"}
            raise CliError(REFUSED, problem, "try again") from None
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def _send(self, method: str, path: str, **request: Any) -> Any:
        try:
            response = self._client.request(method, path, **request)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise bad_input(f"cannot use {self._target}: {error}") from None
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        if response.is_success:
            return response.json() if response.content else None
        raise _refusal(response)

    def _unreachable(self, error: httpx.TransportError) -> CliError:
        detail = f"cannot reach dialerd at {self._target}: {error or type(error).__name__}"
        if self._target.socket is None:
            step = "is the address right (--url, DIALERD_URL), and does dialerd run there?"
        elif "Permission denied" in str(error):
            step = "use sudo, or join the group that the socket belongs to (dialerd) and log in again"
        else:
            step = (
                "does dialerd run (systemctl status dialerd)? "
                "Another socket: --socket PATH or DIALERD_CONTROL__SOCKET; over TCP: --url and --key-file"
            )
        return CliError(UNREACHABLE, {"title": "Not reachable", "detail": detail}, step)


def _opened(path: Path) -> BinaryIO:
    """A file to be sent. What comes out of a pipe is read first: a request tells its length. Raises `OSError`."""
    return path.open("rb") if path.is_file() else BytesIO(path.read_bytes())


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Events of a stream; comments, which only show that it lives, are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield {"id": fields.get("id"), **json.loads(fields["data"])}
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def _json(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body with whatever was typed: it is the daemon that says what is wrong with it."""
    return {"content": json.dumps(body), "headers": {"Content-Type": "application/json"}}


def _given(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (params or {}).items() if value is not None}


def _refusal(response: httpx.Response) -> CliError:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "title" not in problem:
        problem = {
            "title": f"HTTP {response.status_code}",
            "detail": "the answer is not dialerd's; is the address right?",
        }
    code = BAD_INPUT if response.status_code in _BAD_INPUT else REFUSED
    return CliError(code, problem, _next_step(response.status_code, problem))


def _next_step(status: int, problem: Mapping[str, Any]) -> str | None:
    locs = [str(fault.get("loc", "")) for fault in problem.get("errors", [])]
    if status == 422 and locs and all(loc.startswith("contacts[") for loc in locs):
        return "correct these lines, or import the others with --on-invalid skip"
    if status == 409 and problem.get("state") == "scheduled":
        return "to start it before its start time: dialerctl campaign start ID --now"
    return {
        401: "give a key (--key-file FILE, DIALERD_KEY), or use the Unix socket on the daemon's machine",
        412: "read it again: dialerctl campaign show ID",
        404: "the list commands show what there is",
        413: "split it into several files",
        503: "dialerctl status tells what is wrong",
    }.get(status)
