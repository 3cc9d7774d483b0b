"""Where a media worker listens for Asterisk: an IP address and a port, as settings and arguments write them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen at. Port 0 takes a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `127.0.0.1:8790` or `[::1]:8790`. Raises `ValueError`."""
        host, colon, port = text.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            address = ipaddress.ip_address(bare)
        except ValueError:
            address = None
        digits = port.isascii() and port.isdigit()
        if not colon or address is None or (address.version == 6) != (bare != host):
            raise ValueError("must be an IP address and a port, e.g. 127.0.0.1:8790 or [::1]:8790")
        if not digits or not 0 < int(port) < 65_536:
            raise ValueError("the port must be between 1 and 65535, e.g. 127.0.0.1:8790")
        return cls(str(address), int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
