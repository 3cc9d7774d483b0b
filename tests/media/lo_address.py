"""An address that WebRTC can use, for hosts that have none but 127.0.0.1, which it ignores (aioice does).

Where there is one already, nothing is done. Otherwise `lo` gets another for as long as tests need it: several test
runs at once share it, the last one takes it away.
"""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

from aioice.ice import get_host_addresses

ADDRESS = "127.0.0.2"
_LOCK = Path(gettempdir()) / "dialerd-lo-address.lock"


@contextmanager
def usable_address() -> Iterator[None]:
    """Hold an address. Raises `AssertionError` with the remedy if there is none and none may be added."""
    with _LOCK.open("a") as lock:
        # Shared by those who use it; exclusive for who would take it away. It is added before the lock is shared, so
        # that nobody takes it away in between.
        fcntl.flock(lock, fcntl.LOCK_SH)
        ours = ADDRESS in _addresses()
        if not _addresses():
            ours = True
            done = subprocess.run(
                ["ip", "address", "replace", f"{ADDRESS}/8", "dev", "lo"], capture_output=True, text=True
            )
            assert done.returncode == 0, (
                f"these tests need a network address besides 127.0.0.1, and adding one failed "
                f"({done.stderr.strip()}): as root, `ip address add {ADDRESS}/8 dev lo`"
            )
        try:
            yield
        finally:
            if ours and _is_last(lock.fileno()):
                subprocess.run(["ip", "address", "del", f"{ADDRESS}/8", "dev", "lo"], capture_output=True)


def _addresses() -> list[str]:
    return get_host_addresses(use_ipv4=True, use_ipv6=False)


def _is_last(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
