"""Parsers for the text of settings: each returns the value or raises a ValueError that says what is expected."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ

from mailadmin.message.addresses import AddressError, parse_address
from mailadmin.message.recipient_patterns import parse_pattern

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


def host(raw: str) -> str:
    """Return a host name or IP address as given. Raises ValueError if it is neither (RFC 1123 section 2.1)."""
    bare = raw[1:-1] if raw.startswith("[") and raw.endswith("]") else raw
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        try:
            ascii_name = raw.encode("idna").decode() if not raw.isascii() else raw
        except UnicodeError:
            ascii_name = ""
        labels = ascii_name.removesuffix(".").split(".")
        if len(ascii_name) > 253 or not all(HOST_LABEL.fullmatch(label) for label in labels):
            message = "must be a host name or an IP address"
            raise ValueError(message) from None
    return raw


def host_list(raw: str) -> list[str]:
    """Return comma-separated hosts; ``*`` and ``.example.com`` mean what Django's ALLOWED_HOSTS means by them."""
    hosts = []
    for part in words(raw):
        name = part.removeprefix(".")
        hosts.append(part if part == "*" else part.removesuffix(name) + host(name))
    return hosts


def listen_address(raw: str) -> str:
    """Return an IP address of this machine to listen on, such as 0.0.0.0. Raises ValueError for anything else."""
    try:
        return str(ipaddress.ip_address(raw.removeprefix("[").removesuffix("]")))
    except ValueError:
        message = "must be an IP address, such as 127.0.0.1, 0.0.0.0 or ::"
        raise ValueError(message) from None


def networks(raw: str) -> tuple[Network, ...]:
    """Return comma-separated addresses and networks. Raises ValueError for anything else."""
    message = "must be addresses or networks, such as 127.0.0.1,10.0.0.0/8"
    try:
        found = tuple(ipaddress.ip_network(part) for part in words(raw))
    except ValueError:
        raise ValueError(message) from None
    if any(network.prefixlen == 0 for network in found):
        message = "must not trust every address: everybody could claim to be anybody"
        raise ValueError(message)
    return found


def redis_url(raw: str) -> str:
    """Return a Redis URL as given. Raises ValueError for anything else."""
    message = "must look like redis://host:6379/0"
    try:
        parts = urlsplit(raw)
        known = parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise ValueError(message)
    return raw


def usable_cores(*, at_most: int) -> int:
    """Return the number of cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, at_most)


def modules(raw: str) -> tuple[str, ...]:
    """Return comma-separated names of Python modules. Raises ValueError for anything else."""
    names = tuple(filter(None, (part.strip() for part in raw.split(","))))
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        message = "must be names of Python modules, separated by commas"
        raise ValueError(message)
    return names


def absolute_path(raw: str) -> Path:
    """Return the path of a file, there or not. Raises ValueError for one that depends on the current folder."""
    path = Path(raw)
    if not path.is_absolute():
        message = "must be a path that begins with /"
        raise ValueError(message)
    return path


def base_url(raw: str) -> str:
    """Return the site's own address without a trailing slash. Raises ValueError unless it is http(s)://host[:port]."""
    message = "must look like https://mail.example.com"
    try:
        parts = urlsplit(raw)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise ValueError(message) from error
    if (
        parts.scheme not in {"http", "https"}
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
        or parts.username
    ):
        raise ValueError(message)
    name = host(parts.hostname or "")
    return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}{port}"


def database(raw: str, base: Path) -> dict[str, Any]:
    """Return Django's database settings for ``sqlite:///path`` (relative to `base`) or ``postgres://...``.

    Raises ValueError, which never repeats a password.
    """
    message = "must look like sqlite:///path or postgres://user:password@host/name"
    if raw.startswith("sqlite:"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(sqlite_path(raw, base))}
    settings: dict[str, Any]
    try:
        if urlsplit(raw).scheme not in {"postgres", "postgresql"}:
            raise ValueError(message)
        settings = dict(environ.Env.db_url_config(raw))
    except (ValueError, TypeError, KeyError, environ.ImproperlyConfigured):
        raise ValueError(message) from None  # the cause could quote the password
    if not settings.get("NAME"):
        raise ValueError(message)
    return settings


def queue(raw: str, base: Path) -> str:
    """Return the URL of the queue's store, its path relative to `base`. Raises ValueError for an unknown kind."""
    message = "must look like sqlite:///path, postgres://user:password@host/name or redis://host:6379/0"
    if raw.startswith("sqlite:"):
        return f"sqlite:///{sqlite_path(raw, base)}"
    try:
        parts = urlsplit(raw)
        known = parts.scheme in {"postgres", "postgresql", "redis", "rediss"} and parts.port != 0
    except ValueError:
        known = False
    if not known or not parts.hostname or (parts.scheme.startswith("postgres") and not parts.path.strip("/")):
        raise ValueError(message) from None
    return raw


def sqlite_path(raw: str, base: Path) -> Path:
    """Return the file of ``sqlite:///path``, relative to `base`. Raises ValueError.

    A database in memory is refused: web server and worker are two processes.
    """
    name = unquote(raw.removeprefix("sqlite:///"))
    if not raw.startswith("sqlite:///") or not name or name.endswith("/") or ":memory:" in name:
        message = "must name a file, like sqlite:///var/mailadmin.sqlite3"
        raise ValueError(message)
    return base / name


def address(raw: str, *, single_label: bool = False) -> str:
    """Return a bare email address, of a host without a dot if `single_label`. Raises ValueError."""
    try:
        return parse_address(raw, single_label=single_label).addr_spec
    except AddressError as error:
        message = f"must be one email address ({error})"
        raise ValueError(message) from error


def patterns(raw: str, *, single_label: bool = False) -> tuple[str, ...]:
    """Return recipient patterns: whole addresses or ``*@domain``. Raises ValueError."""
    return tuple(parse_pattern(part, single_label=single_label) for part in words(raw))


def words(raw: str) -> list[str]:
    """Return the comma-separated parts of `raw` without white space around them and without empty ones."""
    return [part.strip() for part in environ.Env.parse_value(raw, list) if part.strip()]
