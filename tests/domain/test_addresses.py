"""Addresses: one form for every spelling, one key for all that a client can choose from."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.addresses import Proxies, address_key, parse_address, parse_network


@pytest.mark.parametrize(
    ("text", "address", "key"),
    [
        ("203.0.113.8", "203.0.113.8", "203.0.113.8"),
        (" 203.0.113.8:40000 ", "203.0.113.8", "203.0.113.8"),
        ('"203.0.113.8:40000"', "203.0.113.8", "203.0.113.8"),
        ("::ffff:203.0.113.8", "203.0.113.8", "203.0.113.8"),
        ("::FFFF:cb00:7108", "203.0.113.8", "203.0.113.8"),
        ("[::ffff:203.0.113.8]:443", "203.0.113.8", "203.0.113.8"),
        ("2001:DB8:0:1::00A", "2001:db8:0:1::a", "2001:db8:0:1::/64"),
        ("[2001:db8:0:1::a]", "2001:db8:0:1::a", "2001:db8:0:1::/64"),
        ('"[2001:db8:0:1::a]:4711"', "2001:db8:0:1::a", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
    ],
)
def test_every_spelling_is_one_address(text: str, address: str, key: str) -> None:
    assert str(parse_address(text)) == address
    assert address_key(text) == key
    assert address_key(address) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "_hidden",
        "203.0.113",
        "010.0.0.1",
        "203.0.113.8:",
        "203.0.113.8:1234567",
        "203.0.113.8/24",
        "[203.0.113.8",
        "::1 ::1",
        "٣.1.1.1",
        "a" * 9000,
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert parse_address(text) is None
    assert address_key(text) == text


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.integers(0, 65_535))
def test_a_port_changes_nothing(address: IPv4Address | IPv6Address, port: int) -> None:
    text = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    assert parse_address(f"{text}:{port}") == parse_address(str(address))


@given(st.ip_addresses(v=4))
def test_ipv4_in_ipv6_is_ipv4(address: IPv4Address) -> None:
    assert parse_address(f"::ffff:{address}") == address
    assert parse_network(f"::ffff:{address}") == parse_network(str(address))


TRUSTED = ("10.0.0.0/8", "::ffff:192.0.2.0/120", "2001:db8:ffff::1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        # Nobody whom we trust: what is forwarded is the client's own word.
        ("203.0.113.8", ["198.51.100.1"], "203.0.113.8"),
        ("::ffff:203.0.113.8", [], "203.0.113.8"),
        ("10.0.0.1", ["203.0.113.8:40000"], "203.0.113.8"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.8"], "203.0.113.8"),
        ("10.0.0.1", ["198.51.100.1, [2001:DB8::0008]:443"], "2001:db8::8"),
        # A trusted hop is passed over in any spelling, and the next one is the client.
        ("10.0.0.1", ["198.51.100.1, 203.0.113.8, 10.1.2.3:55000"], "203.0.113.8"),
        ("10.0.0.1", ["203.0.113.8, 192.0.2.7:80", "[2001:DB8:FFFF:0::1]:80"], "203.0.113.8"),
        ("10.0.0.1", ["203.0.113.8, ,"], "203.0.113.8"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", [], "10.0.0.1"),
        # Made-up words are no clients: all of them are the proxy.
        ("10.0.0.1", ["203.0.113.8, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["x" * 500], "10.0.0.1"),
        (None, ["203.0.113.8"], "unknown"),
        ("", ["203.0.113.8"], "unknown"),
    ],
)
def test_the_client_is_the_last_address_no_trusted_proxy_vouches_for(
    peer: str | None, forwarded: Sequence[str], client: str
) -> None:
    assert Proxies(TRUSTED).client(peer, forwarded) == client


def test_a_unix_socket_is_trusted_by_its_own_word_alone() -> None:
    assert Proxies(["unix:"]).client("", ["203.0.113.8"]) == "203.0.113.8"
    assert Proxies(["unix:"]).client("10.0.0.1", ["203.0.113.8"]) == "10.0.0.1"
    assert not Proxies([])
