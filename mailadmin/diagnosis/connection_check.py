"""The connection ladder, for people: each rung in words, what the server said, what it means and what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from django.core.cache import cache
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.configuration import effective
from mailadmin.connections import selection
from mailadmin.drivers import event_loop
from mailadmin.drivers.sanitizing import sanitize
from mailadmin.drivers.smtp import check
from mailadmin.errors import Phase
from mailadmin.message.addresses import AddressError, parse_address
from maillog.explanations.next_steps import steps_of
from maillog.explanations.refusals import meaning
from secrets_app import unsaved_check
from secrets_app.vault import EditedMeanwhile

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from mailadmin.drivers.smtp.check import Certificate, Climb
    from mailadmin.drivers.smtp.smtp_server import SmtpServer
    from mailadmin.drivers.transcript import Line
    from secrets_app.kinds.base import SecretForm
    from secrets_app.vault import Connection

STEP_TIMEOUT = 8.0  # seconds for each step at most: somebody is waiting, but some servers greet after 6 only
MAX_CONCURRENT = 2  # checks in a process; the others of its threads answer pages meanwhile
MAX_PER_MINUTE = 20  # checks of one person
WARN_DAYS = 21  # days before a certificate's end in which it is said

LABELS: dict[Phase, _StrPromise] = {
    Phase.RESOLVE: _("Find the host"),
    Phase.CONNECT: _("Connect"),
    Phase.TLS: _("Encrypt (TLS)"),
    Phase.GREETING: _("Greeting"),
    Phase.EHLO: _("Introduce ourselves (EHLO)"),
    Phase.AUTH: _("Sign in"),
    Phase.MAIL: _("Sender accepted (MAIL FROM)"),
    Phase.RCPT: _("Recipient accepted (RCPT TO)"),
}
ENVELOPE_PHASES = (Phase.MAIL, Phase.RCPT)
SERVICE_CLOSING = 421  # RFC 5321 3.8
DONE, FAILED, NOT_REACHED = "done", "failed", "missing"


_running = threading.BoundedSemaphore(MAX_CONCURRENT)


class TooManyChecks(Exception):
    """The text says to wait."""


@contextmanager
def limited(person: int) -> Iterator[None]:
    """Let one check of `person` run. Raises TooManyChecks: too many run in this process, or were asked for."""
    key = f"mailadmin.diagnosis.connection_check.{person}"
    cache.add(key, 0, timeout=60)
    try:
        count = cache.incr(key)
    except ValueError:  # the minute has just ended
        count = 1
    if count > MAX_PER_MINUTE:
        raise TooManyChecks(gettext("That were %d checks within a minute. Wait a moment.") % MAX_PER_MINUTE)
    if not _running.acquire(blocking=False):
        raise TooManyChecks(gettext("Other checks are running at the moment. Try again in some seconds."))
    try:
        yield
    finally:
        _running.release()


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `state`: done, failed, or missing (nobody came to it). `note` says more where there is something."""

    key: str
    label: str
    state: str
    milliseconds: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionCheck:
    """A climb in words. `words` are the server's own about the step that failed; `steps` say what to do."""

    sentence: str
    rungs: tuple[Step, ...]
    words: str
    steps: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def reached(self) -> bool:
        """Whether every rung was passed."""
        return all(rung.state == DONE for rung in self.rungs)


def check_connection(connection: Connection, *, recipient: str) -> ConnectionCheck:
    """Climb with a stored connection, or the environment's. Raises VaultError if its password cannot be read."""
    server = selection.server_for(connection)
    return check_server(server, own_sender=str(connection.fields["sender"]), recipient=recipient)


def check_form(form: SecretForm, *, recipient: str) -> ConnectionCheck:
    """Climb with what a valid form of an SMTP secret says, nothing of which is stored. Raises VaultError.

    A password that is to be kept goes to the server that it was stored for: whatever was saved since the form was
    judged is refused (EditedMeanwhile).
    """
    fields, stored = form.stored_fields(), str(form.secret.pk) if form.secret else None
    server = selection.server_for_unsaved(fields, form.values(), stored=stored)
    if not unsaved_check.is_current(form):
        raise EditedMeanwhile(gettext("Somebody else saved this secret in the meantime. Open it again."))
    return check_server(server, own_sender=str(fields["sender"]), recipient=recipient)


def check_server(server: SmtpServer, *, own_sender: str, recipient: str) -> ConnectionCheck:
    """Climb to `server` now and return how it went, after up to a minute; nothing is sent.

    It is asked whether `own_sender`, or else the address of the mail settings, may send, and whether `recipient` would
    be taken, where they are given and plain ASCII.
    """
    quick = replace(server, timeout=min(server.timeout, STEP_TIMEOUT))
    sender, recipient = ascii_address(own_sender or str(effective.current().from_address)), ascii_address(recipient)
    went = event_loop.run(check.climb(quick, sender=sender, recipient=recipient))
    offers = sanitize(", ".join(went.extensions), limit=200)
    notes = {
        Phase.EHLO: gettext("offers %s") % offers if offers else "",
        Phase.TLS: ". ".join(filter(None, [went.tls, certificate_text(went.certificate, timezone.now())])),
        Phase.AUTH: gettext("as %s") % server.username,
        Phase.MAIL: sender,
        Phase.RCPT: recipient,
    }
    return ConnectionCheck(
        sentence=sentence(went),
        rungs=(
            *(Step(phase, str(LABELS[phase]), DONE, took, notes.get(phase, "")) for phase, took in went.passed),
            *(
                Step(phase, str(LABELS[phase]), NOT_REACHED if number else FAILED)
                for number, phase in enumerate(went.missing)
            ),
        ),
        words=str(went.error) if went.error else "",
        steps=tuple(advice(went)),
        lines=went.lines,
    )


def ascii_address(address: str) -> str:
    """Return an address as it is said to a server, nothing for one that not every server knows how to read."""
    try:
        envelope = parse_address(address).envelope if address else ""
    except AddressError:
        return ""
    return envelope if envelope.isascii() else ""


def sentence(went: Climb) -> str:
    """Return the outcome in one sentence."""
    error = went.error
    if error is None:
        return gettext("%s is ready for mail.") % went.endpoint
    meant = meaning(error.code, error.enhanced_code, error.reply) if error.code else ""
    label = str(LABELS[went.missing[0]])
    facts = {"endpoint": went.endpoint, "step": label, "meant": meant}
    if meant:
        return gettext("%(endpoint)s stops at “%(step)s”: %(meant)s.") % facts
    return gettext("%(endpoint)s stops at “%(step)s”.") % facts


def advice(went: Climb) -> Sequence[str]:
    """Return what to do about what broke."""
    error = went.error
    if error is None:
        return []
    if went.missing[0] in ENVELOPE_PHASES and (error.code is None or error.code == SERVICE_CLOSING):
        return [gettext("The server ended the conversation. Try again in a while; its own log says why it did.")]
    return steps_of(str(error.phase), error.code, error.enhanced_code, error.reply)


def certificate_text(certificate: Certificate | None, now: datetime) -> str:
    """Return what a certificate says; that it ends soon, if it does."""
    if certificate is None:
        return ""
    facts = {
        "names": certificate.names or gettext("no name"),
        "issuer": certificate.issuer,
        "until": date_format(timezone.localtime(certificate.expires_at), "j M Y"),
    }
    text = gettext("Certificate for %(names)s by %(issuer)s, valid until %(until)s") % facts
    left = (certificate.expires_at - now).days
    return f"{text}. {gettext('It ends in %d days.') % left}" if 0 <= left < WARN_DAYS else text
