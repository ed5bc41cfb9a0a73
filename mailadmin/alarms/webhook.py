"""Posts JSON to a URL that an administrator chose, under the egress rules of SMTP connections.

Link-local and metadata addresses are refused, the name is resolved once and one of the checked addresses is used,
redirects are not followed, and nothing takes longer than five seconds. Plain HTTP is allowed only within the own
network. Called by the worker, never by a web request. Standard library only: see docs/decisions/0011-alarms.md.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from secrets_app import egress_rules
from secrets_app.egress_rules import Target, TargetRefused

TIMEOUT = 5.0
PORTS = frozenset({80, 443})
SIGNATURE = "X-Mailadmin-Signature"


class WebhookRefused(ValueError):
    """The URL must not be called; the message is for people."""


class WebhookFailed(Exception):
    """The receiver did not accept the request; the message is for people."""


def parse(url: str) -> SplitResult:
    """Return the parts of `url` without resolving it. Raises WebhookRefused unless it may be called."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WebhookRefused(_("This is not a valid URL.")) from error
    if not url.isascii() or any(letter <= " " or letter == "\x7f" for letter in url):
        raise WebhookRefused(_("Enter the URL in plain ASCII without spaces."))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise WebhookRefused(_("Enter a URL such as https://chat.example.com/hooks/mail."))
    if parts.username or parts.password:
        raise WebhookRefused(_("Remove user and password; put a key into the path instead."))
    try:
        egress_rules.check_port(port or default_port(parts), PORTS)
        egress_rules.check_host(parts.hostname, private_hosts=settings.MAIL.private_hosts)
    except TargetRefused as error:
        raise WebhookRefused(str(error)) from error
    return parts


def default_port(parts: SplitResult) -> int:
    return 443 if parts.scheme == "https" else 80


def post(url: str, facts: Mapping[str, object]) -> int:
    """Send `facts` and return the HTTP status, 200 to 299. Raises WebhookRefused, WebhookFailed."""
    parts = parse(url)
    target = resolve(parts)
    body = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "User-Agent": "Mailadmin",
        "Connection": "close",
    }
    if settings.WEBHOOK_SECRET:
        headers[SIGNATURE] = signature(body)
    status = exchange(parts, target, body, headers)
    if 300 <= status < 400:
        raise WebhookFailed(_("HTTP %d: redirects are not followed.") % status)
    if not 200 <= status < 300:
        raise WebhookFailed(_("HTTP %d.") % status)
    return status


def signature(body: bytes) -> str:
    """Return the HMAC-SHA256 of `body` with MAILADMIN_WEBHOOK_SECRET, as the header carries it."""
    return "sha256=" + hmac.new(settings.WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()


def resolve(parts: SplitResult) -> Target:
    """Return where to connect. Raises WebhookRefused, WebhookFailed."""
    port = parts.port or default_port(parts)
    try:
        found = egress_rules.resolve(parts.hostname or "", port, private_hosts=settings.MAIL.private_hosts, ports=PORTS)
    except TargetRefused as error:
        raise WebhookRefused(str(error)) from error
    except OSError as error:
        raise WebhookFailed(_("There is no host named %s.") % parts.hostname) from error
    if parts.scheme == "http" and any(ip_address(one.address).is_global for one in found):
        raise WebhookRefused(_("Use https: plain http is allowed only for hosts in your own network."))
    return found[0]


def exchange(parts: SplitResult, target: Target, body: bytes, headers: Mapping[str, str]) -> int:
    """Send the request and return the status. Raises WebhookFailed."""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(target.address, target.port, timeout=TIMEOUT)
    late = threading.Event()
    raw: list[socket.socket] = []

    def give_up() -> None:
        late.set()
        for one in raw:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(TIMEOUT, give_up)
    timer.start()
    try:
        plain = socket.create_connection(target.sockaddr[:2], timeout=TIMEOUT)
        raw.append(plain)
        connection.sock = plain
        if parts.scheme == "https":
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)
        connection.request("POST", path, body=body, headers=dict(headers))
        return connection.getresponse().status
    except ssl.SSLCertVerificationError as error:
        raise WebhookFailed(_("Its certificate is not trusted: %s.") % error.verify_message) from error
    except (OSError, http.client.HTTPException) as error:
        if late.is_set() or isinstance(error, TimeoutError):
            raise WebhookFailed(_("No response within %d seconds.") % TIMEOUT) from error
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise WebhookFailed(_("Connection failed: %s.") % why) from error
    finally:
        timer.cancel()
        connection.close()
        for one in raw:
            one.close()
