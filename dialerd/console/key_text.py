"""API keys in words, and as they are asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dialerd.console import wording

SCOPES = {
    "read": "read: sees everything but keys and the audit log, and changes nothing",
    "write": "write: runs campaigns and changes what they use",
    "admin": "admin: hangs up everything, makes keys and sees the audit log too",
}


def fields(name: str, scope: str) -> dict[str, str]:
    """The body of the request for a new key."""
    given = {"name": name.strip(), "scope": scope}
    return {field: value for field, value in given.items() if value}


def called(key: Mapping[str, Any]) -> str:
    """A key as people know it."""
    return str(key["name"] or key["key_id"])


def row(key: Mapping[str, Any]) -> dict[str, Any]:
    """Its line; it leads to what was done with it."""
    return {
        "name": called(key),
        "href": f"/audit?actor={quote(key['key_id'], safe='')}",
        "scope": key["scope"],
        "made": _at(key["created_at"]),
        "used": _at(key["last_used_at"], "never"),
        "state": _state(key),
        "tone": "quiet" if key["revoked_at"] else "good" if key["current"] else "",
        "revoke": "" if key["revoked_at"] else "Revoke",
        "what": called(key),
    }


def question(key: Mapping[str, Any]) -> str:
    """What becomes of those who have the key, before it is revoked."""
    said = "Every request with it is refused from now on. This cannot be undone."
    if key["current"]:
        return f"You are logged in with this key: your login ends. {said}"
    return f"Whoever is logged in with it is logged out. {said}"


def _state(key: Mapping[str, Any]) -> str:
    if key["revoked_at"]:
        return f"Revoked {wording.clock(key['revoked_at'])}"
    return "Yours, in use" if key["current"] else "Valid"


def _at(iso: str | None, never: str = wording.NOTHING) -> str:
    return wording.clock(iso) if iso else never
