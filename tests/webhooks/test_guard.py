"""Where webhooks may be sent, whatever the spelling of the address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.webhooks.guard import Guard, embedded, is_public, read_url

NOTHING = Guard()
SPECIAL_V4 = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
    *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32", "168.63.129.16/32"),
]
SPECIAL_V6 = [
    *("::/128", "::1/128", "::/96", "100::/64", "64:ff9b:1::/48", "fc00::/7", "fe80::/10", "fec0::/10"),
    *("ff00::/8", "2001::/32", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "3fff::/20", "5f00::/16"),
]


def within(networks: list[str]) -> st.SearchStrategy[int]:
    """The address of something within one of these networks, as a number."""
    return st.one_of(st.integers(int(net[0]), int(net[-1])) for net in map(ip_network, networks))


special_v4 = within(SPECIAL_V4).map(IPv4Address)
embeddings = st.sampled_from(
    [
        lambda v4: IPv6Address(0xFFFF << 32 | int(v4)),
        lambda v4: IPv6Address(int(IPv6Address("64:ff9b::")) | int(v4)),
        lambda v4: IPv6Address(0x2002 << 112 | int(v4) << 80 | 1),
        lambda v4: IPv6Address(int(v4)),
        lambda v4: IPv6Address(int(IPv6Address("64:ff9b:1::")) | int(v4)),
    ]
)


def refused(url: str, address: str | IPv4Address | IPv6Address, guard: Guard = NOTHING) -> str | None:
    return guard.refusal(read_url(url), ip_address(str(address)))


@given(special_v4)
def test_no_special_address_is_ever_public(address: IPv4Address) -> None:
    assert not is_public(address)
    assert refused("https://crm.example/", address) is not None


@given(special_v4, embeddings)
def test_no_special_address_is_public_in_any_disguise(address: IPv4Address, disguise: object) -> None:
    assert not is_public(disguise(address))  # type: ignore[operator]


@given(within(SPECIAL_V6).map(IPv6Address))
def test_no_special_ipv6_address_is_public(address: IPv6Address) -> None:
    assert not is_public(address)


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_what_python_knows_to_be_not_global_is_not_public(address: IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.15.255.255",
        "172.32.0.0",
        "100.63.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
    ],
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))
    assert refused("https://crm.example/", address) is None


def test_a_public_address_behind_a_translator_is_public() -> None:
    assert is_public(ip_address("64:ff9b::8.8.8.8"))
    assert is_public(ip_address("::ffff:8.8.8.8"))


def test_an_address_with_a_scope_is_not_public() -> None:
    assert not is_public(ip_address("2606:4700::1111%eth0"))


@pytest.mark.parametrize(
    "name", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"]
)
def test_the_metadata_services_of_clouds_are_refused(name: str) -> None:
    assert refused("https://metadata.example/", name) is not None


# --- URLs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://crm.example.com/hook?x=1&y=%20", "crm.example.com", 443),
        ("HTTPS://CRM.Example.com", "crm.example.com", 443),
        ("http://10.0.0.5:8080/a", "10.0.0.5", 8080),
        ("https://[2606:4700::1111]:8443/", "2606:4700::1111", 8443),
        ("https://xn--bcher-kva.example/@x", "xn--bcher-kva.example", 443),
        ("http://crm_web:3000/", "crm_web", 3000),
    ],
)
def test_urls_are_read(url: str, host: str, port: int) -> None:
    target = read_url(url)
    assert (target.host, target.port) == (host, port)
    assert "/" in target.url.partition("://")[2]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "crm.example.com",
        "ftp://crm.example.com/",
        "file:///etc/passwd",
        "https://",
        "https:///hook",
        "https://user@crm.example.com/",
        "https://user:pass@crm.example.com/",
        "https://crm.example.com@169.254.169.254/",
        "https://crm.example.com\\@169.254.169.254/",
        "https://crm.example.com/#x",
        "https://crm.example.com/a b",
        "https://crm.example.com/a\nb",
        "https://crm.example.com:0/",
        "https://crm.example.com:080/",
        "https://crm.example.com:65536/",
        "https://crm.example.com:+443/",
        "https://crm.example.com:४४३/",
        "https://crm.example.com:/",
        "https://bücher.example/",
        "https://①②⑦.⓪.⓪.①/",
        "https://127.0.0.1。nip.io/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://1.2.3.4.5/",
        "https://256.1.1.1/",
        "https://[::1%25lo]/",
        "https://[::ffff:127.0.0.1/",
        "https://[::g]/",
        "https://a..b/",
        "https://-a.example/",
        "https://" + "a" * 64 + ".example/",
        "https://crm.example.com/" + "x" * 2_048,
    ],
)
def test_urls_that_are_spelled_oddly_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_url(url)


@given(special_v4, st.sampled_from(["https", "http"]))
def test_a_special_address_in_the_url_itself_is_refused(address: IPv4Address, scheme: str) -> None:
    target = read_url(f"{scheme}://{address}/")
    assert target.literal == address
    assert NOTHING.refusal(target, address) is not None
    mapped = read_url(f"{scheme}://[::ffff:{address}]/")
    assert mapped.literal is not None
    assert embedded(mapped.literal) == address
    assert NOTHING.refusal(mapped, mapped.literal) is not None


# --- what the settings allow ---------------------------------------------------------------------


def test_plain_http_is_for_what_is_allowed_alone() -> None:
    assert "use https" in (refused("http://crm.example/", "8.8.8.8") or "")
    assert refused("http://crm.example/", "8.8.8.8", Guard.parse(["crm.example"])) is None
    assert refused("http://crm.example/", "8.8.8.8", Guard.parse(["8.8.8.0/24"])) is None


@pytest.mark.parametrize("entry", ["crm.lan", "CRM.lan", "10.1.2.3", "10.1.0.0/16"])
def test_hosts_and_networks_are_allowed_by_name_address_or_range(entry: str) -> None:
    guard = Guard.parse([entry])
    assert refused("http://crm.lan/", "10.1.2.3", guard) is None
    assert refused("https://CRM.LAN:8443/x", "10.1.2.3", guard) is None
    assert refused("https://other.lan/", "10.2.2.3", guard) is not None


def test_a_network_holds_its_addresses_in_any_disguise() -> None:
    assert refused("http://crm.lan/", "::ffff:10.1.2.3", Guard.parse(["10.0.0.0/8"])) is None
    assert refused("http://[::1]:80/", "::1", Guard.parse(["[::1]"])) is None
    assert refused("http://127.0.0.1/", "127.0.0.1", Guard.parse(["::1"])) is not None


def test_a_host_that_is_not_found_now_may_be_https_or_in_a_network() -> None:
    secure, plain = read_url("https://crm.lan/"), read_url("http://crm.lan/")
    assert NOTHING.refusal_unresolved(secure) is None
    assert NOTHING.refusal_unresolved(plain) is not None
    for entry in ("crm.lan", "10.0.0.0/8"):
        assert Guard.parse([entry]).refusal_unresolved(plain) is None


def test_every_mistake_of_the_settings_is_named() -> None:
    with pytest.raises(ValueError, match="no host") as caught:
        Guard.parse(["crm.lan", "10.0.0.1/8", "crm.lan:80", "http://crm.lan", "a b", "0x7f.1", "*.lan"])
    said = str(caught.value)
    assert "'crm.lan' " not in said
    for entry in ("10.0.0.1/8", "crm.lan:80", "http://crm.lan", "a b", "0x7f.1", "*.lan"):
        assert repr(entry) in said
