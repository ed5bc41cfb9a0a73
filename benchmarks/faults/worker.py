"""The worker as `config.startup.supervise` starts it, with an experiment's lease, heartbeat or driver (FAULTS_*).

FAULTS_LEASE, FAULTS_HEARTBEAT and FAULTS_PROBE (the first interval between two probes) are seconds; FAULTS_BUSY is how
many seconds SQLite waits for a lock. FAULTS_POISON is text: a message with it in the subject ends the process
immediately, as a crash in a library might.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta

import django
from django.core.management import execute_from_command_line

from config.startup.supervise import WORKER

DIED_OF_POISON = 9


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    busy = os.environ.get("FAULTS_BUSY")
    if busy:
        database = importlib.import_module("config.settings").DATABASES["default"]
        database["OPTIONS"]["init_command"] += f"; PRAGMA busy_timeout={int(float(busy) * 1000)}"
    django.setup()
    drain = importlib.import_module("mailadmin.delivery.drain")
    if lease := float(os.environ.get("FAULTS_LEASE", "0")):
        change(drain, LEASE=timedelta(seconds=lease), RENEW_SECONDS=lease / 3)
    if heartbeat := float(os.environ.get("FAULTS_HEARTBEAT", "0")):
        change(importlib.import_module("mailadmin.tasks"), HEARTBEAT_SECONDS=heartbeat)
    if probe := float(os.environ.get("FAULTS_PROBE", "0")):
        change(
            importlib.import_module("mailadmin.connections.circuit_breaker"), FIRST_PROBE_AFTER=timedelta(seconds=probe)
        )
    if poison := os.environ.get("FAULTS_POISON"):
        put_poison(poison)
    execute_from_command_line(WORKER)


def change(module: object, **values: object) -> None:
    """Set module constants, which must exist: one that was renamed must not go unnoticed."""
    for name, value in values.items():
        assert hasattr(module, name), f"{module} has no {name}"
        setattr(module, name, value)


def put_poison(text: str) -> None:
    """Let the process die at a message with `text` in its subject, after the messages before it were sent."""
    driver = importlib.import_module("mailadmin.drivers.smtp.driver").SmtpDriver
    base = importlib.import_module("mailadmin.drivers.base")
    usual = driver.send

    async def send(
        self: object,
        envelopes: Sequence[object],
        server: object,
        *,
        on_result: Callable[[object, object], None] | None = None,
    ) -> list[object]:
        poisoned = [envelope for envelope in envelopes if text in envelope.subject]  # type: ignore[attr-defined]
        healthy = [envelope for envelope in envelopes if envelope not in poisoned]
        results: list[object] = await usual(self, healthy, server, on_result=on_result)
        if poisoned:
            sys.stderr.write(f"dying of {len(poisoned)} poisoned messages\n")
            os._exit(DIED_OF_POISON)
        return results

    assert issubclass(driver, base.Driver)
    change(driver, send=send)


if __name__ == "__main__":
    main()
