"""Addresses as settings write them."""

from __future__ import annotations

import pytest

from dialerd.media.address import Address


@pytest.mark.parametrize(
    ("text", "address", "loopback"),
    [
        ("127.0.0.1:8790", Address("127.0.0.1", 8790), True),
        ("[::1]:65535", Address("::1", 65535), True),
        ("0.0.0.0:1", Address("0.0.0.0", 1), False),
        ("[2001:db8::5]:80", Address("2001:db8::5", 80), False),
    ],
)
def test_an_address_and_its_port(text: str, address: Address, loopback: bool) -> None:
    assert Address.parse(text) == address
    assert str(address) == text
    assert address.is_loopback is loopback


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", "8790", ":8790", "localhost:80", "::1:80", "[127.0.0.1]:80", "[::1]"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="must be an IP address and a port"):
        Address.parse(text)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "", "٣", "80 "])
def test_what_is_no_port(port: str) -> None:
    with pytest.raises(ValueError, match="between 1 and 65535"):
        Address.parse(f"127.0.0.1:{port}")
