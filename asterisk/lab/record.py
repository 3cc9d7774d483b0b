"""What a lab knows of itself between commands: lab.json in its folder."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from instance import Instance
from ports import Ports
from private import temporary

_LONGEST_SOCKET = 107  # bytes of a Unix socket's path


@dataclass(frozen=True)
class Folder:
    """A lab's folder, known before there is a lab in it."""

    path: Path

    @property
    def runtime(self) -> Path:
        """Where sockets go: the folder itself, or a short stand-in when their paths would be too long."""
        longest = self.path / "carrier" / "run" / "asterisk.ctl"
        if len(os.fsencode(longest)) <= _LONGEST_SOCKET:
            return self.path
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        return temporary(digest)

    @property
    def control_socket(self) -> Path:
        return self.runtime / "control.sock"

    @property
    def state(self) -> Path:
        return self.path / "state"

    @property
    def pbx(self) -> Instance:
        return Instance("pbx", self.path / "pbx", self.runtime / "pbx" / "run")

    @property
    def carrier(self) -> Instance:
        return Instance("carrier", self.path / "carrier", self.runtime / "carrier" / "run")

    def make(self) -> None:
        for folder in (self.path, self.state):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove_runtime(self) -> None:
        """Remove the sockets, and with them the short stand-in."""
        self.control_socket.unlink(missing_ok=True)
        if self.runtime != self.path:
            shutil.rmtree(self.runtime, ignore_errors=True)

    def has_lab(self) -> bool:
        """Whether this is, or was, a lab's folder."""
        return (self.path / "lab.json").exists() or self.pbx.conf.exists()

    def purge(self) -> None:
        """Remove what a lab makes, and the folder if that was all: `--dir` may name any folder."""
        for name in ("pbx", "carrier", "state"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        (self.path / "lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time in one folder."""
        with (self.path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True)
class Record:
    """A lab that has been brought up."""

    version: str
    origin: str  # which Asterisk: `host`, or the root it was unpacked to
    trunk: str | None  # HOST:PORT of the outside trunk; None: the lab's own carrier
    ports: Ports
    ari_password: str
    ami_secret: str
    spare: str | None = None  # HOST:PORT of a second outside trunk

    @staticmethod
    def fresh(version: str, origin: str, trunk: str | None, spare: str | None, ports: Ports) -> Record:
        """A new lab's record, with secrets of its own."""
        return Record(version, origin, trunk, ports, secrets.token_hex(16), secrets.token_hex(16), spare)

    @staticmethod
    def load(folder: Folder) -> Record | None:
        try:
            data = json.loads((folder.path / "lab.json").read_text())
        except FileNotFoundError:
            return None
        return Record(**{**data, "ports": Ports(**data["ports"])})

    def save(self, folder: Folder) -> None:
        path = folder.path / "lab.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1))

    def instances(self, folder: Folder) -> list[Instance]:
        """The processes this lab consists of; the carrier first, so that the pbx finds its trunk."""
        return [folder.pbx] if self.trunk else [folder.carrier, folder.pbx]
