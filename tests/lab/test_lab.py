"""The lab itself, with the real Asterisk: its commands, what it leaves behind, and the carrier's number plan."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.lab

CHECKOUT = Path(__file__).resolve().parents[2]
LAB = CHECKOUT / "asterisk" / "lab" / "lab"
CALLER = "+15550100100"

Json = dict[str, Any]


def run(*arguments: object, code: int = 0) -> str:
    done = subprocess.run(
        [str(LAB), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def run_json(*arguments: object) -> Json:
    found: Json = json.loads(run(*arguments, "--json"))
    return found


def eventually[T](look: Callable[[], T | None], seconds: float = 10) -> T: ...
