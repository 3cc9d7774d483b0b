"""Where webhooks may be sent: HTTPS to public addresses, and whatever the settings allow beside that.

An address in a URL is somebody's wish to have this machine speak to another one. So a URL is read strictly, by this
module alone, and what its name comes to is judged address by address (RFC 6890, and the IANA registries of addresses
for special purposes). Nothing here resolves or connects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

LONGEST = 2_048
"""Characters of a URL."""

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<rest>([/?][!-~]*)?)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORTS = {"http": 80, "https": 443}

_NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
            *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            # A cloud's own services at an address that looks public.
            "168.63.129.16/32",
            # Within what is assigned to the public: protocols (Teredo among them) and documentation.
            *("2001::/23", "2001:db8::/32", "3fff::/20"),
        ),
    )
)
_ASSIGNED = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, read."""

    url: str
    scheme: str
    """`http`, `https`, `ws` or `wss`."""
    host: str
    """In lower case; an IPv6 address without its brackets."""
    port: int

    @property
    def is_secure(self) -> bool:
        """Whether nobody on the way can read along."""
        return self.scheme in ("https", "wss")

    @property
    def literal(self) -> Address | None:
        """The address that stands in the URL itself; None: it names a host."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Guard:
    """What is allowed beside HTTPS to public addresses."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Guard:
        """Hosts, addresses and networks, as the settings write them. Raises `ValueError` naming every mistake."""
        hosts: set[str] = set()
        networks: list[Network] = []
        faults: list[str] = []
        for entry in entries:
            try:
                found = _entry(entry)
            except ValueError as error:
                faults.append(f"{entry!r} {error}")
            else:
                hosts.add(found) if isinstance(found, str) else networks.append(found)
        if faults:
            raise ValueError("; ".join(faults))
        return cls(frozenset(hosts), tuple(networks))

    def refusal(self, target: Target, address: Address) -> str | None:
        """Why nothing may be sent to a URL at this address of its host; None: it may."""
        if target.host in self.hosts or self.lists(address):
            return None
        if not target.is_secure:
            return f"{_in_the_clear(target)} ({target.host} is {address})"
        if not is_public(address):
            return (
                f"{target.host} is {address}, no public address: if that is meant, list the host or its network in "
                "webhooks.allow"
            )
        return None

    def lists(self, address: Address) -> bool:
        """Whether an address is in a network of the settings."""
        real = embedded(address) or address
        return any(real in network or address in network for network in self.networks)

    def refusal_unresolved(self, target: Target) -> str | None:
        """Why nothing may be sent to a URL whatever its host, which cannot be found now, turns out to be."""
        if target.is_secure or target.host in self.hosts or self.networks:
            return None
        return _in_the_clear(target)


def _in_the_clear(target: Target) -> str:
    return f"{target.scheme} is for hosts and networks in webhooks.allow alone: use {target.scheme}s"


def read_url(url: str) -> Target:
    """A URL as somebody gave it. Raises `ValueError` in the words of the API."""
    if len(url) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} characters")
    authority = re.split(r"[/?#\\]", url.partition("://")[2], maxsplit=1)[0]
    if "@" in authority:
        raise ValueError("must not carry a name or a password: deliveries are signed instead")
    if "#" in url or "\\" in url:
        raise ValueError("must have no fragment and no backslash")
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError(
            "must be a URL like https://crm.example.com/hook, in ASCII (a name with other letters as xn--…)"
        )
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"]) if found["port"] else _PORTS[scheme]
    if port > 65_535:
        raise ValueError("must have a port of at most 65535")
    _refuse_odd_host(host)
    shown = f":{port}" if found["port"] else ""
    return Target(f"{scheme}://{host}{shown}{found['rest'] or '/'}", scheme, host.strip("[]"), port)


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, an IPv4 address within an IPv6 one included."""
    if isinstance(address, IPv6Address):
        if getattr(address, "scope_id", None) is not None:
            return False
        within = embedded(address)
        if within is not None:
            return is_public(within)
        if address not in _ASSIGNED:
            return False
    return not any(address in network for network in _NOT_PUBLIC if network.version == address.version)


def embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to: mapped, through NAT64 (RFC 6052) or 6to4 (RFC 3056)."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.sixtofour if address in _SIX_TO_FOUR else None


def _refuse_odd_host(host: str) -> None:
    """Names, and addresses in their plain form: no other spelling that some parser takes for an address."""
    if host.startswith("["):
        IPv6Address(host.strip("[]"))
    elif _NUMERIC.fullmatch(host.rpartition(".")[2]):
        try:
            IPv4Address(host)
        except ValueError:
            raise ValueError(f"has a host {host!r} that is no plain IPv4 address and no name") from None
    elif not _is_name(host):
        raise ValueError(f"has a host {host!r} that is no name")


def _is_name(host: str) -> bool:
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.split("."))


def _entry(entry: str) -> str | Network:
    text = entry.strip().lower()
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if "/" in bare or _NUMERIC.fullmatch(bare.rpartition(".")[2]) or ":" in bare:
        try:
            return ip_network(bare)
        except ValueError as error:
            raise ValueError(
                f"is no address and no network, as in 10.1.0.0/16 (a host has no port here): {error}"
            ) from None
    if not _is_name(bare):
        raise ValueError("is no host name, address or network")
    return bare
