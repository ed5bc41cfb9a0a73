"""Egress rules: the hosts, addresses and ports to which a connection may be made.

A secret may name any host. Without rules, the connection check would be a port scanner and would read cloud metadata
(server-side request forgery). Link-local, metadata, unspecified, multicast and reserved addresses are always refused.
Private and loopback addresses are allowed by default, because mail relays often have them, and refused where
`private_hosts` is false. Every spelling that a resolver understands is recognized (`0x7f.1`, `2130706433`,
`0177.0.0.1`, full-width digits), and an IPv4 address embedded in an IPv6 address is checked as well. A name is resolved
once and every address is checked; the caller must connect to one of these addresses, because a second lookup could
return others (DNS rebinding).

Needs no models and no settings.
"""

from __future__ import annotations

import re
import socket
import unicodedata
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from django.utils.translation import gettext as _

PORTS = frozenset({25, 465, 587})  # the mail ports below 1024; 1024-65535 are all allowed
MAX_HOST = 255  # octets of a name, RFC 1035 2.3.4

# Cloud providers serve credentials and start-up scripts here to their machines, without authentication.
_METADATA = frozenset(
    ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, Google, Azure, and most others (link-local anyway)
        "169.254.170.2",  # AWS task credentials
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's wire server
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS, IPv6
        "fd20:ce::254",  # Google, IPv6
        "fd00:42::42",  # Scaleway, IPv6
    )
)
_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_THIS_NETWORK = IPv4Network("0.0.0.0/8")  # 0.0.0.0 reaches this machine on Linux (RFC 1122 3.2.1.3)
_RESERVED = IPv4Network("240.0.0.0/4")  # includes 255.255.255.255 (RFC 1112 4)
# What `is_global` misses, in some or all versions of Python: the deprecated relays of 6to4 (RFC 7526), documentation
# (RFC 9637), and all IPv6 outside the one block of global unicast addresses, such as site-local fec0::/10 (RFC 3879).
_NOT_PUBLIC = (IPv4Network("192.88.99.0/24"), IPv6Network("3fff::/20"))
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291 2.4, IANA IPv6 address space
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 2.1
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215: leads into whatever the local network translates to
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")  # RFC 2765 2.1: IPv4-translated, ::ffff:0:a.b.c.d
_COMPATIBLE = IPv6Network("::/96")  # RFC 4291 2.5.5.1
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214 6.1: interface identifiers that end in an IPv4 address

_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_FORBIDDEN = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff/@?#\\\\%]")


class TargetRefused(ValueError):
    """No connection may be made to this host, address or port. The text is for people."""


class Target(NamedTuple):
    """An allowed address, ready for `socket.connect`; `address` is numeric, `scope` an IPv6 scope id."""

    family: socket.AddressFamily
    address: str
    port: int
    scope: int = 0

    @property
    def sockaddr(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """Return the address tuple that sockets of its family expect."""
        if self.family == socket.AF_INET6:
            return (self.address, self.port, 0, self.scope)
        return (self.address, self.port)


def check_port(port: int, ports: frozenset[int] = PORTS) -> None:
    """Raise TargetRefused unless `port` is one of `ports` or between 1024 and 65535."""
    if not (port in ports or 1024 <= port <= 65535):
        allowed = ", ".join(map(str, sorted(ports)))
        message = _("Port %(port)d is not allowed. Use %(allowed)s, or a port from 1024 to 65535.")
        raise TargetRefused(message % {"port": port, "allowed": allowed})


def check_host(host: str, *, private_hosts: bool = True) -> None:
    """Raise TargetRefused if `host`, as entered, may not be connected to. Makes no DNS lookup.

    A name passes unless it is a known metadata service; `resolve` checks its addresses.
    """
    name = _normalized(host)
    if name in _METADATA_NAMES:
        raise TargetRefused(_("%s is a cloud metadata service, not a mail server.") % name)
    address = _as_address(name)
    if address is not None:
        check_address(address, private_hosts=private_hosts)
    elif not private_hosts and (name == "localhost" or name.endswith(".localhost")):
        raise TargetRefused(_refusal(name, _("it is this machine")))


def check_address(address: IPv4Address | IPv6Address, *, private_hosts: bool = True) -> None:
    """Raise TargetRefused if `address`, or an IPv4 address embedded in it, may not be connected to."""
    translated = _translated_ipv4(address)
    for one in (address, *translated, *_tunneled_ipv4(address)):
        if one in _METADATA or (isinstance(one, IPv6Address) and IPv6Address(int(one)) in _METADATA):
            raise TargetRefused(_refusal(address, _("it is a cloud metadata service, not a mail server")))
        if one.is_link_local:
            raise TargetRefused(_refusal(address, _("it is a link-local address")))
        unusual = one in _THIS_NETWORK or one in _RESERVED if isinstance(one, IPv4Address) else int(one) == 0
        if unusual or one.is_multicast:
            raise TargetRefused(_refusal(address, _("no mail server can have this address")))
        # Packets for a translated address go to the IPv4 address in it, so that one decides whether it is private.
        if not private_hosts and not _is_public(one) and (one is not address or not translated):
            raise TargetRefused(_refusal(address, _("it is a private address, and MAIL_PRIVATE_HOSTS is false")))


def resolve(host: str, port: int, *, private_hosts: bool, ports: frozenset[int] = PORTS) -> tuple[Target, ...]:
    """Resolve `host` once and return all of its addresses, in the resolver's order. Blocks.

    Raises TargetRefused if the port, the host or any of its addresses is refused, and OSError (socket.gaierror) if the
    name cannot be resolved.
    """
    check_port(port, ports)
    check_host(host, private_hosts=private_hosts)
    name = _normalized(host)
    literal = _as_address(name)
    try:
        found = socket.getaddrinfo(str(literal) if literal else name, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # not a valid IDNA name, for example because a label is too long
        raise TargetRefused(_("%s is not a host name.") % _shown(host)) from error
    targets = []
    for family, _type, _protocol, _canonical, sockaddr in found:
        address = str(sockaddr[0])
        check_address(ip_address(address), private_hosts=private_hosts)
        scope = int(sockaddr[3]) if len(sockaddr) > 3 else 0
        targets.append(Target(socket.AddressFamily(family), address.partition("%")[0], port, scope))
    if not targets:
        raise socket.gaierror(socket.EAI_NONAME, "no address")
    return tuple(dict.fromkeys(targets))


def _normalized(host: str) -> str:
    """Return `host` as a resolver sees it: NFKC (as nameprep does), lower case, no brackets, no final dots."""
    name = unicodedata.normalize("NFKC", host.replace("。", ".")).strip().lower()
    bracketed = name.startswith("[") and name.endswith("]")
    name = name.strip("[]") if bracketed else name.rstrip(".")
    scoped = name.partition("%")[0] if ":" in name else name
    if not scoped or len(name.encode(errors="replace")) > MAX_HOST or _FORBIDDEN.search(scoped):
        raise TargetRefused(_("%s is not a host name.") % _shown(host))
    return name


def _as_address(name: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that `name` spells, or None if it is a host name."""
    if ":" in name:
        try:
            return ip_address(name)
        except ValueError:
            raise TargetRefused(_("%s is not a host name.") % _shown(name)) from None
    return _legacy_ipv4(name)


def _legacy_ipv4(name: str) -> IPv4Address | None:
    """Read an address as inet_aton does: one to four decimal, octal or hexadecimal numbers, the last one long."""
    parts = name.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    numbers = [_number(part) for part in parts]
    *first, last = numbers
    if any(number > 255 for number in first) or last >= 256 ** (5 - len(parts)):
        raise TargetRefused(_("%s is not an IP address.") % _shown(name))
    value = last
    for place, number in enumerate(first):
        value += number << (24 - 8 * place)
    return IPv4Address(value)


def _number(text: str) -> int:
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    if text.startswith("0") and text.isdigit() and not set(text) - set("01234567"):
        return int(text, 8)
    return int(text)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether `address` lies in the public Internet; an IPv4 address embedded in it is another matter."""
    if any(address in network for network in _NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and (isinstance(address, IPv4Address) or address in _GLOBAL_UNICAST)


def _translated_ipv4(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses to which packets for this IPv6 address go, if its prefix says that they do."""
    if isinstance(address, IPv4Address):
        return ()
    number = int(address)
    bare = IPv6Address(number)  # without scope id
    if bare.ipv4_mapped:
        return (bare.ipv4_mapped,)
    if bare in _NAT64 or bare in _TRANSLATED or (bare in _COMPATIBLE and number > 1):
        return (IPv4Address(number & 0xFFFFFFFF),)
    if bare.sixtofour:
        return (bare.sixtofour,)
    return bare.teredo or ()


def _tunneled_ipv4(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses to which packets for this IPv6 address may go, beside the address itself."""
    if isinstance(address, IPv4Address):
        return ()
    number = int(address)
    if IPv6Address(number) in _LOCAL_NAT64:
        # Where the IPv4 address stands depends on the length of the local prefix (RFC 6052 2.2: 48, 56, 64 or 96 bits);
        # octet 8 is skipped. Under another length than the network's, the reading is often 0.x.y.z, which says nothing.
        octets = number.to_bytes(16)[:8] + number.to_bytes(16)[9:]
        found = [IPv4Address(octets[start : start + 4]) for start in (6, 7, 8, 11)]
        return tuple(one for one in found if one not in _THIS_NETWORK) or (found[-1],)
    if (number >> 32) & 0xFFFFFFFF in _ISATAP:
        return (IPv4Address(number & 0xFFFFFFFF),)
    return ()


def _refusal(what: object, why: str) -> str:
    return _("%(host)s may not be used: %(why)s.") % {"host": what, "why": why}


def _shown(host: str) -> str:
    return repr(host[:80])
