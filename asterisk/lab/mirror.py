"""The Debian mirror this host is configured with, read from its apt sources in both of their formats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from errors import LabError


@dataclass(frozen=True)
class Source:
    """One archive that apt fetches packages from."""

    uri: str
    suite: str

    @property
    def is_main_archive(self) -> bool:
        """Whether it can hold sid: an archive path ending in `debian`, and not the security archive."""
        return self.uri.rstrip("/").rsplit("/", 1)[-1] == "debian" and "security" not in self.suite


def find(apt: Path = Path("/etc/apt")) -> str:
    """The first main Debian archive among the host's sources."""
    for source in sources(apt):
        if source.is_main_archive:
            return source.uri
    raise LabError(
        f"no Debian mirror in {apt}/sources.list or {apt}/sources.list.d: name one with --mirror, or an "
        "unpacked Asterisk with --asterisk, or install asterisk 22.9 or later"
    )


def sources(apt: Path) -> Iterator[Source]:
    """Every enabled binary source, files in apt's order."""
    listed = sorted((apt / "sources.list.d").glob("*")) if (apt / "sources.list.d").is_dir() else []
    for path in [apt / "sources.list", *listed]:
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".list":
            yield from _one_line(text)
        elif path.suffix == ".sources":
            yield from _deb822(text)


def _one_line(text: str) -> Iterator[Source]:
    """`deb [options] URI SUITE COMPONENT…`"""
    for line in text.splitlines():
        entry = line.split("#", 1)[0].strip()
        if not entry.startswith(("deb ", "deb\t")):
            continue
        rest = entry[3:].strip()
        if rest.startswith("["):
            rest = rest.partition("]")[2]
        words = rest.split()
        if len(words) >= 2:
            yield Source(words[0], words[1])


def _deb822(text: str) -> Iterator[Source]:
    """Stanzas of fields, `Types: deb`, `URIs: …`, `Suites: …`; a line that starts blank continues its field."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in "\n".join(lines).split("\n\n"):
        fields: dict[str, list[str]] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1] in (" ", "\t"):
                fields.setdefault(name, []).extend(line.split())
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.split()
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"])[:1] != ["no"]:
            for uri in fields.get("uris", []):
                for suite in fields.get("suites", []):
                    yield Source(uri, suite)
