"""The address of the client, also behind proxies: only what a trusted proxy says about it is believed."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config.environment.parsers import Network

logger = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?|(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}", re.ASCII)
MOST_HOPS = 20  # entries of X-Forwarded-For that are read


def parse(text: str) -> Address | None:
    """Return an address as it stands in X-Forwarded-For, with or without a port, or None for anything else."""
    text = text.strip()
    found = WITH_PORT.fullmatch(text)
    try:
        address = ipaddress.ip_address((found[1] or found[2]) if found else text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:  # of an interface: means nothing elsewhere, and PostgreSQL does not take it
            return None
        return address.ipv4_mapped or address
    return address


def is_trusted(address: Address | None, proxies: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in proxies)


def client_address(peer: str, forwarded_for: str, proxies: Sequence[Network]) -> str:
    """Return the client's address.

    Each proxy appends to `forwarded_for` the address that it was reached from. So the list is read from the right, as
    long as a trusted proxy vouches for the next entry; the client may have invented the rest. An entry that is no
    address ends the list.
    """
    current = parse(peer)
    if current is None:
        return peer
    entries = forwarded_for.split(",")[-MOST_HOPS:] if forwarded_for else []
    while entries and is_trusted(current, proxies):
        entry = parse(entries.pop())
        if entry is None:
            break
        current = entry
    return str(current)


def client_of(environ: dict[str, Any]) -> str:
    """Return the address of the client of a WSGI environ or ``request.META``."""
    return client_address(
        environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", ""), settings.TRUSTED_PROXIES
    )


def is_proxy(peer: str) -> bool:
    """Return whether a connection from `peer` is a trusted proxy's."""
    return is_trusted(parse(peer), settings.TRUSTED_PROXIES)


class ClientAddressMiddleware:
    """Puts the client's address into ``REMOTE_ADDR``, where limits, the audit log and messages read it.

    A proxy that is not trusted is warned of once: all its visitors count as one, and lock one another out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.has_warned = False

    def __call__(self, request: HttpRequest) -> HttpResponse:
        peer = request.META.get("REMOTE_ADDR", "")
        request.META["REMOTE_ADDR"] = client_of(request.META)
        if not self.has_warned and "HTTP_X_FORWARDED_FOR" in request.META and not is_proxy(peer):
            self.has_warned = True
            logger.warning(
                "A request from %s has X-Forwarded-For, which is ignored: all visitors from that address count as one"
                " at the sign-in. If it is your proxy, set TRUSTED_PROXIES=%s",
                peer,
                peer,
            )
        return self.get_response(request)
