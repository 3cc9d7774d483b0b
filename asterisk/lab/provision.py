"""An Asterisk to run: the host's own if it is good enough, else one unpacked from Debian sid into a cache."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mirror
from errors import LabError

OLDEST = {22: 9, 23: 3}
"""The first usable minor version of each major one, for chan_websocket and for call records with Unix times (of
April 2026 in both series). Later majors have both."""

KNOWN_BAD = {
    "22.11.0-rc1": "it crashes on a WebSocket PONG (asterisk/asterisk#2085)",
}

_GREETING = "vm-intro"


@dataclass(frozen=True)
class Installation:
    """How to start an Asterisk and where its parts are."""

    version: str
    origin: str
    command: tuple[str, ...]
    modules: Path
    data: Path
    sounds: Path


def find(root: Path | None, mirror_uri: str | None) -> Installation:
    """The Asterisk to use: the one at `root`, or the host's, or the cached one, unpacked if need be."""
    if root is not None:
        return _unpacked(root)
    host = _on_host()
    return host if host is not None else _unpacked(_cached(mirror_uri))


def cache_folder() -> Path:
    """Where the unpacked Asterisk is kept between runs and between labs."""
    chosen = os.environ.get("DIALERD_LAB_CACHE")
    if chosen:
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "dialerd" / "asterisk"


def objection(version: str) -> str | None:
    """Why this version cannot be used, or None."""
    if version in KNOWN_BAD:
        return KNOWN_BAD[version]
    major, minor = (int(part) for part in version.split(".")[:2])
    if major < min(OLDEST) or minor < OLDEST.get(major, 0):
        oldest = ", ".join(f"{major}.{minor}" for major, minor in OLDEST.items())
        return f"it is too old (oldest usable: {oldest})"
    return None


def _on_host() -> Installation | None:
    path = shutil.which("asterisk") or shutil.which("asterisk", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        return None
    version = _version((path,))
    refusal = objection(version)
    if refusal is not None:
        print(f"not using this host's Asterisk {version}: {refusal}", file=sys.stderr)
        return None
    folders = _configured_folders(Path("/etc/asterisk/asterisk.conf"))
    modules = _first(
        [folders.get("astmoddir"), *Path("/").glob("usr/lib*/asterisk/modules"),
         *Path("/").glob("usr/lib/*/asterisk/modules"), Path("/usr/local/lib/asterisk/modules")],
        "chan_pjsip.so",
        "the module folder of this host's Asterisk (is chan_pjsip installed?)",
    )  # fmt: skip
    data = _first(
        [folders.get("astdatadir"), Path("/usr/share/asterisk"), Path("/var/lib/asterisk")],
        "sounds",
        "the data folder of this host's Asterisk",
    )
    return Installation(version, "host", (path,), modules, data, _sounds(data))


def _configured_folders(conf: Path) -> dict[str, Path]:
    """The [directories] of the host's asterisk.conf, which may differ from the places packages use."""
    try:
        text = conf.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    found = re.findall(r"(?m)^\s*(ast\w+)\s*=>?\s*([^;\s]+)", text)
    return {name: Path(value) for name, value in found}


def _unpacked(root: Path) -> Installation:
    root = root.absolute()
    loader = _only(root, "usr/lib/*-linux-*/ld-linux-*.so.*")
    libraries = loader.parent
    command = (str(loader), "--library-path", str(libraries), str(root / "usr/sbin/asterisk"))
    version = _version(command)
    refusal = objection(version)
    if refusal is not None:
        raise LabError(f"cannot use Asterisk {version} of {root}: {refusal}")
    data = root / "usr/share/asterisk"
    return Installation(version, str(root), command, libraries / "asterisk" / "modules", data, _sounds(data))


def _version(command: tuple[str, ...]) -> str:
    try:
        text = subprocess.run([*command, "-V"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise LabError(f"{command[-1]} does not run: {error}") from error
    found = re.search(r"(\d+\.\d+\.\d+)(?:[-~](rc\d+))?", text)
    if found is None:
        raise LabError(f"{command[-1]} does not tell a version: {text.strip()!r}")
    return f"{found[1]}-{found[2]}" if found[2] else found[1]


def _sounds(data: Path) -> Path:
    """The English prompts: `sounds/en`, or the folder that Debian's install script would link there."""
    folders = sorted((data / "sounds").glob("en*"))
    greeting = next((path for folder in folders for path in folder.glob(f"{_GREETING}.*")), None)
    if greeting is None:
        raise LabError(f"no English prompts in {data}/sounds (Debian's package: asterisk-core-sounds-en-gsm)")
    return greeting.parent


def _first(candidates: list[Path | None], holding: str, what: str) -> Path:
    for candidate in candidates:
        if candidate is not None and (candidate / holding).exists():
            return candidate
    raise LabError(f"cannot find {what}")


def _only(root: Path, pattern: str) -> Path:
    found = sorted(root.glob(pattern))
    if not found:
        raise LabError(f"{root} is not an unpacked Asterisk: it has no {pattern}")
    return found[0]


def _cached(mirror_uri: str | None) -> Path:
    cache = cache_folder()
    root = cache / "root"
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        if not root.exists():
            _unpack(root, mirror_uri or mirror.find())
    return root


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two labs starting at once unpack once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpack(root: Path, mirror_uri: str) -> None:
    """Fetch and unpack asterisk and all it depends on, without installing anything.

    Nothing is installed, so an ordinary user can do it too, as a tar stream in mmdebstrap's mode without a chroot.
    Only the finished folder gets its name: what an interruption leaves is never used.
    """
    _require_mmdebstrap()
    for leftover in root.parent.glob(f"{root.name}.*"):
        shutil.rmtree(leftover)
    print(f"unpacking Asterisk from Debian sid into {root} (about 10 s)", file=sys.stderr)
    folder = Path(tempfile.mkdtemp(prefix=f"{root.name}.", dir=root.parent))
    # A mirror may lag until its release file has expired; signatures are checked all the same.
    fetch = ["mmdebstrap", "--variant=extract", "--format=tar", "--include=asterisk",
             '--aptopt=Acquire::Check-Valid-Until "false"', "--keyring=/usr/share/keyrings",
             "sid", "-", mirror_uri]  # fmt: skip
    if os.geteuid() != 0:
        fetch.insert(1, "--mode=chrootless")
    unpack = ["tar", "-x", "-C", str(folder), "--no-same-owner", "--exclude=./dev/*"]
    with tempfile.TemporaryFile("w+") as log:
        fetching = subprocess.Popen(fetch, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        unpacked = subprocess.run(unpack, stdin=fetching.stdout, stderr=log, check=False)
        if fetching.wait() != 0 or unpacked.returncode != 0:
            log.seek(0)
            tail = "".join(log.readlines()[-20:])
            shutil.rmtree(folder, ignore_errors=True)
            raise LabError(f"could not unpack Asterisk:\n{tail}")
    folder.chmod(0o755)
    folder.rename(root)


def _require_mmdebstrap() -> None:
    if shutil.which("mmdebstrap"):
        return
    if not shutil.which("apt-get"):
        raise LabError(
            "this host has no Asterisk 22.9 or later, and without apt the lab cannot fetch one: install the "
            "packages asterisk (22.9 or later), or mmdebstrap and debian-archive-keyring"
        )
    packages = ["mmdebstrap", "debian-archive-keyring"]
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if os.geteuid() != 0:
        install.insert(0, "sudo")
    print(f"installing mmdebstrap: {' '.join(install)}", file=sys.stderr)
    try:
        subprocess.run(install, stdout=sys.stderr, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LabError(
            f"could not install {' and '.join(packages)} ({error}): do it yourself, then again"
        ) from error
