"""Calls to addresses that somebody else chose: never to this machine, its network, or anything that only looks public.

A name is looked up once, every address that it has must be a public one, and the connection goes to the address that was
checked, so that a name which changes its mind in between gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin

import httpx

from hub.model.errors import BadInput, HubError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

#: IANA's special-purpose registry of IPv4, without the few blocks that are globally reachable, and multicast.
_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(text)
    for text in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    ]
)
#: Global unicast is 2000::/3. Everything else, mapped and NAT64 addresses among it, is not public; nor are these parts of it:
#: protocol assignments with Teredo, documentation, 6to4, and documentation again.
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20")
)

_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{0,20})://(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9.-]{1,253}))"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?][!$%&'()*+,./0-9:;=?@A-Z_a-z~-]*)?"
)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
#: A last label that an address parser would read as a number makes the whole name an IPv4 address (WHATWG URL, 3.5).
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LONGEST = 8_192
_PORTS = {"https": 443, "http": 80}
_LAST_PORT = 65_535
#: Seconds for one step of a call; `seconds` of the whole call comes first.
_LONGEST_STEP = 120.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class AddressRefused(BadInput):
    """An address that is not called. It is told without its path, which may hold a credential."""

    def __init__(self, where: str, why: str) -> None:
        self.where = where
        super().__init__(f"{where} is not called: {why}.")


class FetchFailed(HubError):
    """The other side could not be reached, was too slow, or sent too much."""

    retryable = True


@dataclass(frozen=True, slots=True)
class Goal:
    """A URL that may be looked up."""

    scheme: str
    host: str
    port: int
    #: Path and query.
    rest: str

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS.get(self.scheme) else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the other side answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def read_url(url: str, schemes: Collection[str] = ("https",)) -> Goal:
    """A URL in the one spelling that everybody reads alike. Raises AddressRefused."""
    found = _URL.fullmatch(url) if len(url) <= _LONGEST else None
    if found is None:
        raise AddressRefused("the address", "it is not a plain URL (no user name, no fragment, no spaces, ASCII only)")
    scheme = found["scheme"]
    if scheme not in schemes or scheme not in _PORTS:
        raise AddressRefused(f"{scheme}://…", f"only {', '.join(sorted(schemes))} is")
    port = int(found["port"] or _PORTS[scheme])
    if not 0 < port <= _LAST_PORT:
        raise AddressRefused(f"port {port}", "there is no such port")
    host = _read_host(found["six"], found["name"])
    rest = found["rest"] or "/"
    return Goal(scheme, host, port, rest if rest.startswith("/") else "/" + rest)


def _read_host(six: str | None, name: str | None) -> str:
    try:
        if six is not None:
            return str(ipaddress.IPv6Address(six))
        assert name is not None
        labels = name.removesuffix(".").split(".")
        if _NUMBER.fullmatch(labels[-1]):
            # Only 127.0.0.1 is written like that; 2130706433, 0177.1 and 0x7f.1 are tricks.
            return str(ipaddress.IPv4Address(name))
    except ValueError:
        raise AddressRefused("the address", "its host is not an IP address in its usual spelling") from None
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefused("the address", "its host is not a name")
    return name.lower()


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet, and to no mechanism that leads somewhere else."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _GLOBAL_6 and not any(address in network for network in _NOT_PUBLIC_6)


class Outgoing:
    """A careful HTTP client. `close()` when done."""

    def __init__(
        self,
        *,
        allowed: Sequence[Network] = (),
        refused: Collection[Address] = (),
        resolve: Resolve | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """`allowed` networks are called although they are not public; `refused` are public addresses of our own."""
        self._allowed = tuple(allowed)
        self._refused = frozenset(refused)
        self._resolve = resolve or look_up
        self._trust = trust
        self._client: httpx.AsyncClient | None = None

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        schemes: Collection[str] = ("https",),
        seconds: float = 5.0,
        most: int = 65_536,
        redirects: int = 0,
    ) -> Fetched:
        """One answer, with all of its body. Raises AddressRefused or FetchFailed.

        A redirect is an answer like any other unless `redirects` allows some; each is checked like the first address, and takes
        neither headers nor body along to another origin.
        """
        goal = read_url(url, schemes)
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    answer = await self._once(goal, method, body, sent, most)
                    target = answer.headers.get("location")
                    if answer.status not in _REDIRECTS or target is None or redirects <= 0:
                        return answer
                    redirects -= 1
                    after = read_url(urljoin(goal.origin + goal.rest, target), schemes)
                    if after.origin != goal.origin:
                        method, body, sent = "GET", b"", {}
                    elif answer.status == 303:  # noqa: PLR2004 - See Other
                        method, body = "GET", b""
                    goal = after
        except TimeoutError:
            raise FetchFailed(f"{goal.origin} did not answer within {seconds:g} s.") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # The library's own text may hold the whole URL.
            raise FetchFailed(f"{goal.origin} could not be called: {type(error).__name__}.") from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _once(self, goal: Goal, method: str, body: bytes, headers: Mapping[str, str], most: int) -> Fetched:
        address = await self.address_of(goal)
        there = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6
        host = goal.origin.partition("://")[2]
        request = self._open().build_request(
            method,
            f"{goal.scheme}://{there}:{goal.port}{goal.rest}",
            content=body or None,
            headers={**headers, "host": host, "accept-encoding": "identity"},
            extensions={"sni_hostname": goal.host},
        )
        answer = await self._open().send(request, stream=True)
        try:
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise FetchFailed(f"{goal.origin} sent a compressed answer that was not asked for.")
            chunks, size = [], 0
            async for chunk in answer.aiter_raw():
                size += len(chunk)
                if size > most:
                    raise FetchFailed(f"{goal.origin} sent more than {most} bytes.")
                chunks.append(chunk)
        finally:
            await answer.aclose()
        return Fetched(answer.status_code, dict(answer.headers.items()), b"".join(chunks))

    async def address_of(self, goal: Goal) -> Address:
        """The address to connect to. Raises AddressRefused when any address of the host is not to be called."""
        try:
            texts = [str(ipaddress.ip_address(goal.host))]
        except ValueError:
            texts = list(await self._resolve(goal.host, goal.port))
        if not texts:
            raise FetchFailed(f"{goal.origin} has no address.")
        # A scope ("fe80::1%eth0") is for the local link only, and makes the address one that is refused.
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
        for address in addresses:
            allowed = any(address.version == network.version and address in network for network in self._allowed)
            if not allowed and (not is_public(address) or address in self._refused):
                raise AddressRefused(goal.origin, "it leads to an address that is not a public one")
        return addresses[0]

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            # No proxies from the environment, no cookies, and no connection is used for a second look-up.
            self._client = httpx.AsyncClient(
                verify=self._trust if self._trust is not None else True,
                trust_env=False,
                follow_redirects=False,
                timeout=_LONGEST_STEP,
                limits=httpx.Limits(max_connections=16, max_keepalive_connections=0),
            )
        self._client.cookies.clear()
        return self._client


async def look_up(host: str, port: int) -> list[str]:
    """Every address of a name, as the machine's resolver gives them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]
