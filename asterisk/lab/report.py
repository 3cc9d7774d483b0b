"""What the lab tells: for programs, for people, and as the daemon's environment."""

from __future__ import annotations

import json
import shlex
from typing import Any

from record import Folder, Record

CALLER_ID = "+15550100100"


def environment(folder: Folder, record: Record) -> dict[str, str]:
    """The daemon's settings for this lab."""
    ports = record.ports
    return {
        "DIALERD_INSTANCE": "lab",
        "DIALERD_STATE_DIR": str(folder.state),
        "DIALERD_ASTERISK__ARI_URL": f"http://127.0.0.1:{ports.ari}",
        "DIALERD_ASTERISK__ARI_USER": "dialerd",
        "DIALERD_ASTERISK__ARI_PASSWORD": record.ari_password,
        "DIALERD_ASTERISK__AMI_HOST": "127.0.0.1",
        "DIALERD_ASTERISK__AMI_PORT": str(ports.ami),
        "DIALERD_ASTERISK__AMI_USER": "dialerd",
        "DIALERD_ASTERISK__AMI_SECRET": record.ami_secret,
        "DIALERD_ASTERISK__CDR_PATH": str(folder.pbx.cdr),
        "DIALERD_TRUNKS__LAB__ENDPOINT": "lab",
        "DIALERD_TRUNKS__LAB__CALLER_IDS": json.dumps([CALLER_ID]),
        "DIALERD_TRUNKS__LAB__NUMBER_FORMAT": "digits",
        "DIALERD_TRUNKS__LAB__MAX_CHANNELS": "60",
        "DIALERD_TRUNKS__LAB__CALLS_PER_SECOND": "20",
        "DIALERD_HTTP__HOST": "127.0.0.1",
        "DIALERD_HTTP__PORT": str(ports.http),
        "DIALERD_MEDIA__LISTEN": f"127.0.0.1:{ports.media}",
        "DIALERD_CONTROL__SOCKET": str(folder.control_socket),
        # The lab's callees have no bedtime, and its time is short.
        "DIALERD_DIALING__LEGAL_HOURS": "off",
        "DIALERD_DIALING__MIN_GAP_MINUTES": "0",
        "DIALERD_DIALING__CLOCK_SETTLE_SECONDS": "2",
        "DIALERD_DIALING__REFUND_MINUTES": "[0.02,0.05,0.1]",
    }


def as_json(folder: Folder, record: Record, running: bool) -> dict[str, Any]:
    """Everything about the lab."""
    ports = record.ports
    own_carrier = record.trunk is None
    return {
        "running": running,
        "dir": str(folder.path),
        "asterisk": {"version": record.version, "origin": record.origin},
        "ari": {
            "url": f"http://127.0.0.1:{ports.ari}",
            "user": "dialerd",
            "password": record.ari_password,
        },
        "ami": {
            "host": "127.0.0.1",
            "port": ports.ami,
            "user": "dialerd",
            "secret": record.ami_secret,
        },
        "sip": {
            "pbx": f"127.0.0.1:{ports.sip}",
            "carrier": f"127.0.0.1:{ports.carrier}" if own_carrier else None,
            "trunk": record.trunk or f"127.0.0.1:{ports.carrier}",
        },
        "http_port": ports.http,
        "media": {
            "lab-media": f"127.0.0.1:{ports.media}",
            "lab-media-2": f"127.0.0.1:{ports.second_media}",
            "bare-media": f"127.0.0.1:{ports.bare_media}",
        },
        "folders": {
            "pbx": str(folder.pbx.folder),
            "carrier": str(folder.carrier.folder) if own_carrier else None,
            "state": str(folder.state),
        },
        "conf": {
            "pbx": str(folder.pbx.conf),
            "carrier": str(folder.carrier.conf) if own_carrier else None,
        },
        "pids": {
            "pbx": folder.pbx.pid(),
            "carrier": folder.carrier.pid() if own_carrier else None,
        },
        "cdr": {
            "pbx": str(folder.pbx.cdr),
            "carrier": str(folder.carrier.cdr) if own_carrier else None,
        },
        "env": environment(folder, record),
    }


def as_text(folder: Folder, record: Record) -> str:
    """For people, and for `eval`: the summary is comments, the environment is export lines."""
    ports = record.ports
    carrier = folder.carrier
    trunk = (
        f"trunk    {record.trunk} (outside)"
        if record.trunk
        else f"carrier  pid {carrier.pid()}, SIP 127.0.0.1:{ports.carrier}, {carrier.folder}"
    )
    summary = [
        f"Asterisk {record.version} ({record.origin})",
        f"pbx      pid {folder.pbx.pid()}, SIP 127.0.0.1:{ports.sip}, ARI {ports.ari}, AMI {ports.ami}, "
        f"{folder.pbx.folder}",
        trunk,
        'Into your shell: eval "$(asterisk/lab/lab status)"',
    ]
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment(folder, record).items()]
    return "\n".join([*(f"# {line}" for line in summary), *exports])
