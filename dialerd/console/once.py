"""The name of a request that makes something: sent twice, it is carried out once. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def name(form: str, fields: Mapping[str, Any], attached: bytes = b"") -> str:
    """The name under which exactly this is asked for from a form: changed, it is another request."""
    asked = json.dumps(fields, sort_keys=True).encode() + attached
    return f"{form}-{hashlib.sha256(asked).hexdigest()[:24]}"
