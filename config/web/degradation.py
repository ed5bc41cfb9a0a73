"""What keeps messages from being sent or stored although the server and its stores answer: for ``/healthz``.

Each reason is one sentence for a monitor. None holds a name, an address or a path, since anyone may read them.
"""

from __future__ import annotations

import errno
import logging
import tempfile
import threading
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection

from mailadmin.configuration import effective
from mailadmin.connections import readiness
from secrets_app import vault

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBE_SECONDS = 5.0  # how long the answer of one test of the disk counts
PROBE_OCTETS = 64 * 1024
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

logger = logging.getLogger(__name__)

_probing = threading.Lock()
_probed: tuple[float, str] = (float("-inf"), "")


def reasons(*, has_waiting: bool, closed: Mapping[str, str]) -> dict[str, str]:
    """Return the reasons by key: keys, connection, driver, disk. `closed`: the states of connections, if not open."""
    found = {"disk": disk_reason(), **sending_reasons(has_waiting=has_waiting, closed=closed)}
    return {key: reason for key, reason in found.items() if reason}


def sending_reasons(*, has_waiting: bool, closed: Mapping[str, str]) -> dict[str, str]:
    """Return why messages of the system cannot be sent; an installation without a connection only if some wait."""
    current = effective.current()
    driver = effective.driver_of(current)
    if driver.unavailable_reason():
        return {"driver": "The mail driver cannot be used."}
    if not driver.needs_connection:
        return {}
    sending = readiness.system_connection(current)
    if sending is None:
        is_missing = bool(str(current.primary_connection)) or has_waiting
        return {"connection": "There is no connection to send through."} if is_missing else {}
    if vault.unreadable(sending):
        return {"keys": "No key in SECRETS_KEYS decrypts the password of the connection that sends."}
    if sending.id in closed:
        return {"connection": f"The connection that sends is {closed[sending.id]}."}
    return {}


def disk_reason() -> str:
    """Return why nothing can be written, "" if something can: tested by writing, at most every five seconds."""
    global _probed
    with _probing:
        if monotonic() - _probed[0] >= PROBE_SECONDS:
            _probed = (monotonic(), _probe_disk())
        return _probed[1]


def _probe_disk() -> str:
    folders = {Path(settings.VAR_DIR)}
    if connection.vendor == "sqlite":
        folders.add(Path(str(connection.settings_dict["NAME"])).parent)
    for folder in folders:
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"\0" * PROBE_OCTETS)
                file.flush()
        except OSError as error:
            logger.error("healthz: nothing can be written to %s: %s", folder, error)
            return "The disk is full." if error.errno in FULL else "The disk cannot be written."
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            if cursor.fetchone() == ("on",):
                return "The database is read-only."
    return ""
