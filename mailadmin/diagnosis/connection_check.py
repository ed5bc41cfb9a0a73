"""Connection checks for people: each step, the server's reply, its meaning and what to do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext

from mailadmin.attempt_limit import is_exceeded
from mailadmin.configuration import effective
from mailadmin.connections import revealing
from mailadmin.drivers import event_loop, registry
from mailadmin.drivers.base import crash_error
from mailadmin.drivers.check_report import CheckReport, CheckStep
from mailadmin.drivers.sanitizing import sanitize
from mailadmin.errors import Phase
from mailadmin.message.addresses import AddressError, parse_address
from maillog.explanations.explanation import explain
from secrets_app import unsaved_check
from secrets_app.vault import EditConflict

if TYPE_CHECKING:
    from mailadmin.drivers.base import RevealedConnection
    from mailadmin.transcript import Line
    from secrets_app.kinds.base import SecretForm
    from secrets_app.vault import Connection

logger = logging.getLogger(__name__)

STEP_TIMEOUT = 8.0  # seconds per step: a person is waiting, but some servers delay their greeting for 6
MAX_CONCURRENT = 2  # checks per process; its other threads serve pages
MAX_PER_MINUTE = 20  # checks per person
ENVELOPE_PHASES = (Phase.MAIL, Phase.RCPT)
SERVICE_CLOSING = 421  # RFC 5321 3.8
DONE, FAILED, NOT_REACHED = "done", "failed", "missing"

_running = threading.BoundedSemaphore(MAX_CONCURRENT)


class TooManyChecks(Exception):
    """The limit of checks is reached. The text says when to try again."""


@contextmanager
def limited(person: int) -> Iterator[None]:
    """Allow one check of `person`. Raises TooManyChecks at MAX_CONCURRENT or MAX_PER_MINUTE."""
    if is_exceeded("connection_check", person, per_minute=MAX_PER_MINUTE):
        text = gettext("You have made %d checks in the last minute. Try again shortly.")
        raise TooManyChecks(text % MAX_PER_MINUTE)
    if not _running.acquire(blocking=False):
        raise TooManyChecks(gettext("Other checks are running. Try again in a few seconds."))
    try:
        yield
    finally:
        _running.release()


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `state` is done, failed or missing (not reached); `note` has details, if any."""

    key: str
    label: str
    state: str
    milliseconds: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionCheck:
    """The result of a check. `reason` says why a step failed, often in the server's words; `advice` what to do.

    `alternative`: fields of the connection with which it can be reached instead; `alternative_text`: the same in words.
    """

    sentence: str
    steps: tuple[Step, ...]
    reason: str
    advice: tuple[str, ...]
    lines: tuple[Line, ...]
    alternative: Mapping[str, Any]
    alternative_text: str

    @property
    def is_passed(self) -> bool:
        return all(step.state == DONE for step in self.steps)


def check_connection(connection: Connection, *, recipient: str) -> ConnectionCheck:
    """Check a stored connection, or one from the environment. Raises VaultError if its secrets cannot be decrypted."""
    return check(revealing.revealed(connection), recipient=recipient)


def check_form(form: SecretForm, *, recipient: str) -> ConnectionCheck:
    """Check the connection that a valid form describes. Nothing is stored. Raises VaultError.

    A stored password is only sent to the server that it was stored for. If the stored secret has changed since the form
    was validated, EditConflict is raised.
    """
    connection = revealing.revealed_form(form)
    if not unsaved_check.is_current(form):
        raise EditConflict(gettext("Another person saved this secret in the meantime. Open it again."))
    return check(connection, recipient=recipient)


def check(connection: RevealedConnection, *, recipient: str) -> ConnectionCheck:
    """Check `connection` with its driver. Takes up to a minute; no message is sent.

    The server is asked whether it accepts the sender (that of the connection, otherwise that of the mail settings) and
    `recipient`, if these are set and plain ASCII.
    """
    sender = str(connection.fields.get("sender", "")) or str(effective.current().from_address)
    checking = registry.driver_for_kind(connection.kind).check(
        connection, sender=ascii_address(sender), recipient=ascii_address(recipient), step_timeout=STEP_TIMEOUT
    )
    try:
        report = event_loop.run(checking)
    except Exception as error:  # a person asked what is wrong: even a fault of the driver's is an answer
        logger.exception("The check of the connection “%s” failed.", connection.name)
        step = CheckStep("connect", gettext("Connect"))
        report = CheckReport(connection.name, passed=(), missing=(step,), error=crash_error(error, Phase.CONNECT))
    passed = (Step(one.key, str(one.label), DONE, one.milliseconds, one.note) for one in report.passed)
    missing = (
        Step(one.key, str(one.label), NOT_REACHED if number else FAILED) for number, one in enumerate(report.missing)
    )
    return ConnectionCheck(
        sentence=sentence(report),
        steps=(*passed, *missing),
        reason=sanitize(str(report.error)) if report.error else "",
        advice=tuple(advice(report)),
        lines=report.lines,
        alternative=report.alternative,
        alternative_text=report.alternative_text,
    )


def ascii_address(address: str) -> str:
    """Return the envelope address, or "" if it is not plain ASCII, which not every server accepts."""
    try:
        envelope = parse_address(address).envelope if address else ""
    except AddressError:
        return ""
    return envelope if envelope.isascii() else ""


def sentence(report: CheckReport) -> str:
    error = report.error
    if error is None:
        return gettext("%s is ready for mail.") % report.endpoint
    meant = explain(error.phase, error.code, error.enhanced_code, error.reply, fault=error.fault).text
    facts = {"endpoint": report.endpoint, "step": report.missing[0].label, "meant": meant}
    if meant:
        return gettext("%(endpoint)s stops at “%(step)s”: %(meant)s.") % facts
    return gettext("%(endpoint)s stops at “%(step)s”.") % facts


def advice(report: CheckReport) -> Sequence[str]:
    error = report.error
    if error is None:
        return []
    if error.phase in ENVELOPE_PHASES and (error.code is None or error.code == SERVICE_CLOSING):
        return [gettext("The server ended the conversation. Try again later; its own log says why.")]
    return explain(error.phase, error.code, error.enhanced_code, error.reply, fault=error.fault).steps
