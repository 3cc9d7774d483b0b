"""The configuration folders of the two instances, made from the templates in conf/."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_TEMPLATES = Path(__file__).resolve().parent / "conf"

SHARED = _TEMPLATES.parents[1]
"""The folder of the files that users install; the lab includes those very files."""


_PLACEHOLDER = re.compile(r"@\{([a-z_]+)\}")
"""`@{name}`, because dialplans are full of `${…}`."""


def render(instance: str, into: Path, values: Mapping[str, object]) -> None:
    """Write the configuration of `pbx` or `carrier`; a placeholder without a value is an error."""
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    for template in sorted([*(_TEMPLATES / "common").iterdir(), *(_TEMPLATES / instance).iterdir()]):
        text = _PLACEHOLDER.sub(lambda found: str(values[found[1]]), template.read_text(encoding="utf-8"))
        target = into / template.name
        target.touch(mode=0o600)  # before its content: some hold secrets
        target.write_text(text, encoding="utf-8")


def registration(carrier: str) -> str:
    """The registration `lab` with our own carrier, for pjsip.conf."""
    return (
        f"[lab]\ntype = registration\nserver_uri = sip:{carrier}\nclient_uri = sip:customer@{carrier}\n"
        "retry_interval = 1\nmax_retries = 1000000\nmax_random_initial_delay = 0\n"
    )


def spare_trunk(address: str) -> str:
    """The endpoint of a second trunk, for pjsip.conf. It brings no calls, so nothing identifies its requests."""
    return (
        f"[spare](dialerd-trunk)\naors = spare\n\n"
        f"[spare](dialerd-trunk-aor)\ncontact = sip:{address}\nqualify_frequency = 0\n"
    )
