"""Names and signatures in Twilio's terms, for whatever was written for it. Pure: it sends nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable

from dialerd.core.identity import CallId

API = "2010-04-01"
_CALL_SID = re.compile(r"CA0{20}([0-9a-f]{12})")


def call_sid(call: str) -> str:
    """The name of a call: 32 hexadecimal digits, of which the last twelve are ours."""
    return f"CA{call.removeprefix('cal_'):0>32}"


def call_of_sid(sid: str) -> CallId | None:
    """The call of a name; None: it is none of ours."""
    found = _CALL_SID.fullmatch(sid)
    return CallId(f"cal_{found[1]}") if found is not None else None


def signature(url: str, token: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the URL and the form's fields in the order of their names."""
    text = url + "".join(f"{name}{value}" for name, value in sorted(form))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()
