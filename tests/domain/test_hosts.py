"""Hosts and origins: what browsers and proxies write, compared as what it means."""

from __future__ import annotations

import pytest

from alphapulse_api.domain.hosts import AllowedHosts, parse_host, parse_origin


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("example.com", "example.com", None),
        ("Example.COM.:443", "example.com", 443),
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::1]", "[::1]", None),
        ("[0:0::0001]:8080", "[::1]", 8080),
        ("my_service:80", "my_service", 80),
    ],
)
def test_a_host_is_a_name_and_perhaps_a_port(text: str, name: str, port: int | None) -> None:
    host = parse_host(text)
    assert host is not None
    assert (host.name, host.port) == (name, port)


@pytest.mark.parametrize(
    "text",
    ["", ".", ":80", "a b", "a,b", "a:99999", "a:", "[::1", "[x]", "::1", "user@a", "a/b", "ä.de"],
)
def test_what_is_no_host_is_none(text: str) -> None:
    assert parse_host(text) is None


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://x.example", "x.example"),
        ("https://x.example", "x.example:443"),
        ("https://x.example:443", "x.example"),
        ("http://x.example", "x.example:80"),
        ("HTTPS://X.Example", "x.EXAMPLE:443"),
        ("https://x.example.", "x.example"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:8080", "[0::1]:8080"),
    ],
)
def test_an_origin_of_the_host(origin: str, host: str) -> None:
    parsed, server = parse_origin(origin), parse_host(host)
    assert parsed is not None
    assert server is not None
    assert parsed.is_of(server)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://x.example", "y.example"),
        ("https://x.example", "x.example:80"),
        ("http://x.example", "x.example:443"),
        ("https://x.example:8443", "x.example"),
        ("http://127.0.0.1:1", "127.0.0.1:2"),
        ("ftp://x.example", "x.example:80"),
    ],
)
def test_an_origin_of_another_host(origin: str, host: str) -> None:
    parsed, server = parse_origin(origin), parse_host(host)
    assert parsed is not None
    assert server is not None
    assert not parsed.is_of(server)


@pytest.mark.parametrize("text", ["null", "", "http://[", "x.example", "https://", "https://a/b"])
def test_what_is_no_origin_is_none(text: str) -> None:
    assert parse_origin(text) is None


def test_an_origin_is_written_as_browsers_write_it() -> None:
    for text in ("https://x.example", "http://[::1]:8080", "app://x.example"):
        assert str(parse_origin(text)) == text
    assert str(parse_origin("HTTPS://X.example.:443")) == "https://x.example"


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("dash.example.com", True),
        ("DASH.example.com.:8443", True),
        ("a.lan.example", True),
        ("a.b.lan.example", True),
        ("localhost:8080", True),
        ("desk.localhost", True),
        ("127.0.0.1", True),
        ("192.168.1.5:80", True),
        ("[::1]:8080", True),
        ("lan.example", False),
        ("example.com", False),
        ("evildash.example.com", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("notlocalhost", False),
    ],
)
def test_allowed_hosts_are_those_named_and_those_that_cannot_be_rebound(
    host: str, allowed: bool
) -> None:
    parsed = parse_host(host)
    assert parsed is not None
    assert (parsed in AllowedHosts(["dash.example.com", "*.lan.example"])) is allowed
    assert parsed in AllowedHosts(["*"])
