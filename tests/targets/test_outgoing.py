"""Calls to addresses that strangers chose: what is refused is never even connected to."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outgoing_servers import answering, resolver, serve

from hub.targets.outgoing import AddressRefused, Outgoing, is_public, read_url

#: Never a URL that is looked up: tricks of spelling.
SPELLINGS = [
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "unix:///run/docker.sock",
    "data:text/plain,x",
    "javascript:alert(1)",
    "jar:https://example.com/",
    "ws://example.com/",
    "HTTPS://example.com/",
    "https:/example.com/",
    "//example.com/",
    "example.com",
    "https://",
    "https:///path",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://a@b@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1@example.com/",
    "https://example.com#@127.0.0.1/",
    "https://example.com/#fragment",
    "https://example.com\\@127.0.0.1/",
    "https://example.com\\127.0.0.1",
    "https:\\\\example.com/",
    "https://exa%6dple.com/",
    "https://%31%32%37.0.0.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.1./",
    "https://0/",
    "https://0x/",
    "https://127.0.0.256/",
    "https://127.0.0.1.1/",
    "https://1.1.1.1.1/",
    "https://example.0x1/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:99999/",
    "https://example.com:-1/",
    "https://example.com:x/",
    "https://example.com:/",
    "https://[::1/",
    "https://::1/",
    "https://[::1%25lo]/",
    "https://[fe80::1%eth0]/",
    "https://[1:2]/",
    "https://[::ffff:127.0.0.1.1]/",
    "https://[127.0.0.1]/",
    "https://127。0。0。1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://example。com/",
    "https://exämple.com/",
    "https://-example.com/",
    "https://example-.com/",
    "https://ex_ample.com/",
    "https://.example.com/",
    "https://example..com/",
    "https://..",
    "https://example.com/a|b",
    "https://example.com/{a}",
]

BROKEN = ["", " https://example.com/", "https://example.com/ ", "https://exa mple.com/", "https://example.com/\r\nHost: x",
          "https://example.com\n", "https://example.com/\x00", "\thttps://example.com/", "https://" + "a" * 300 + ".com/",
          "https://example.com/" + "a" * 9_000]  # fmt: skip

#: URLs of addresses that are not the internet's.
NEAR = [
    "https://127.0.0.1/",
    "https://127.255.255.254/",
    "https://0.0.0.0/",
    "https://0.1.2.3/",
    "https://10.0.0.1/",
    "https://10.255.255.255/",
    "https://100.64.0.1/",
    "https://100.127.255.254/",
    "https://169.254.169.254/",
    "https://172.16.0.1/",
    "https://172.31.255.254/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://192.168.1.1/",
    "https://198.18.0.1/",
    "https://198.19.255.254/",
    "https://198.51.100.7/",
    "https://203.0.113.7/",
    "https://224.0.0.1/",
    "https://239.255.255.250/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[100::1]/",
    "https://[2001::1]/",
    "https://[2001:0:7f00:1::]/",
    "https://[2001:10::1]/",
    "https://[2001:20::1]/",
    "https://[2001:db8::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a9fe:a9fe::1]/",
    "https://[3ffe::1]/",
    "https://[3fff::1]/",
    "https://[5f00::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
]

#: Names and what they lead to.
NAMES = {
    "loop.example.com": ["127.0.0.1"],
    "mixed.example.com": ["93.184.215.14", "127.0.0.1"],
    "six.example.com": ["::1"],
    "mixed-six.example.com": ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:10.0.0.1"],
    "nat64.example.com": ["64:ff9b::a9fe:a9fe"],
    "link.example.com": ["fe80::1%eth0"],
    "metadata.example.com": ["169.254.169.254"],
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "own.example.com": ["93.184.215.99"],
}

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1", "192.167.1.1",
          "198.17.1.1", "223.255.255.254", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e", "2001:4860:4860::8888"]  # fmt: skip


def test_there_are_enough_of_them() -> None:
    assert len({*SPELLINGS, *BROKEN, *NEAR}) + len(NAMES) >= 80


@pytest.mark.parametrize("url", [*SPELLINGS, *BROKEN], ids=range(len(SPELLINGS) + len(BROKEN)))
def test_spellings_that_some_read_differently_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        read_url(url)


def test_nothing_near_is_called() -> None:
    """A canary listens on this machine; whatever leads to it, however it is written, it hears nothing."""

    async def story() -> None:
        handle, _ = answering("200 OK")
        async with serve(handle) as (port, met):
            out = Outgoing(resolve=resolver(NAMES), refused=[ipaddress.ip_address("93.184.215.99")])
            urls = [*NEAR, *(f"https://{name}/" for name in NAMES)]
            for url in urls:
                for scheme in ("https", "http"):
                    there = url.replace("https://", f"{scheme}://")[:-1] + f":{port}/"
                    with pytest.raises(AddressRefused, match="not a public one"):
                        await out.fetch(there, schemes=("http", "https"))
            await out.close()
            assert met == []

    asyncio.run(story())


@pytest.mark.parametrize("text", PUBLIC)
def test_the_internet_is_called(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses())
def test_no_address_is_public_that_python_calls_private(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if is_public(address):
        words = ("private", "loopback", "link_local", "multicast", "reserved", "unspecified")
        assert [word for word in words if getattr(address, f"is_{word}")] == []


@given(st.text(max_size=60))
def test_any_text_is_a_goal_or_refused(text: str) -> None:
    try:
        goal = read_url("https://" + text)
    except AddressRefused:
        return
    assert goal.host.isascii()
    assert 0 < goal.port < 65_536
