"""What to do about a mail that did not get through: short steps, by where it ended and by what the server answered.

Pure: it only reads what it is given. The meaning of the codes is that of RFC 5321 (replies) and RFC 3463 (enhanced
codes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from maillog.models import Attempt, Recipient, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from maillog.models import Message

TROUBLE = frozenset({Attempt.Outcome.DEFERRED, Attempt.Outcome.FAILED, Attempt.Outcome.PARTIAL})
# Where the connection, not the mail, is what has to be mended.
CONNECTION_PHASES = frozenset({"resolve", "connect", "greeting", "ehlo", "tls", "auth"})


def next_steps(mail: Message) -> list[str]:
    """Return what to do, in order; nothing where the mail got through, still waits its turn, or nobody knows.

    The mail's recipients and attempts (newest first) should have been prefetched.
    """
    attempt = next(iter(mail.attempts.all()), None)
    if attempt is None or mail.status not in {Status.FAILED, Status.DEFERRED} or attempt.outcome not in TROUBLE:
        return []
    code, enhanced = answer(mail, attempt)
    if attempt.phase not in CONNECTION_PHASES and 400 <= code < 500:
        return [later(mail)]
    steps = STEPS.get(attempt.phase)
    return steps(code, enhanced) if steps else []


def answer(mail: Message, attempt: Attempt) -> tuple[int, str]:
    """Return code and enhanced code of what stopped the mail: a refused recipient's before the whole attempt's."""
    for outcome in (Recipient.Outcome.REFUSED, Recipient.Outcome.DEFERRED):
        for one in mail.recipients.all():
            if one.outcome == outcome and one.code:
                return one.code, one.enhanced_code
    return attempt.code or 0, attempt.enhanced_code


def later(mail: Message) -> str:
    """Say what follows from a temporary refusal."""
    if mail.status == Status.DEFERRED:
        return _("Nothing has to be done: it is tried again by itself.")
    return _("The server asks for some patience, as many do with senders they do not know. Send it again in a while.")


def resolve(_code: int, _enhanced: str) -> list[str]:
    """The name leads nowhere."""
    return [
        _("Compare the host with the one your provider gives, letter by letter."),
        _("If it is right, ask whoever runs this machine whether it can look up names."),
    ]


def connect(_code: int, _enhanced: str) -> list[str]:
    """Nobody is there."""
    return [
        _("Compare host and port with what your provider gives: mostly 587 for STARTTLS, 465 for TLS from the start."),
        _("If they are right, the server is down or a firewall is in between: ask whoever runs the network."),
    ]


def greeting(code: int, _enhanced: str) -> list[str]:
    """Somebody is there and does not talk."""
    if code:
        return [_("The server turns this machine away: read its words. It may be busy, or this address be on a list.")]
    return [
        _("Check that port and encryption belong together: 587 with STARTTLS, 465 with TLS from the start."),
        _("Make sure that a mail server answers at this port, and no other program."),
    ]


def tls(_code: int, _enhanced: str) -> list[str]:
    """No encrypted channel."""
    return [
        _("Check that port and encryption belong together: 587 with STARTTLS, 465 with TLS from the start."),
        _("A certificate of your own authority? Paste that authority into the connection, under the rare details."),
    ]


def auth(_code: int, _enhanced: str) -> list[str]:
    """The sign-in is refused."""
    return [
        _("Type user and password again, exactly as the provider gives them. The user is often the whole address."),
        _("Some providers want an app password, or sending by SMTP switched on for the account."),
    ]


def sender(code: int, _enhanced: str) -> list[str]:
    """MAIL FROM is refused."""
    if code == 530:
        return [_("The server wants a sign-in: store user and password in the connection.")]
    return [
        _("Use a From address for which this account may send, in the mail settings or in the connection."),
        _("Or allow the account, at the provider, to send for the address."),
    ]


def recipient(code: int, enhanced: str) -> list[str]:
    """RCPT TO is refused."""
    if code == 530:
        return sender(code, enhanced)
    if enhanced.startswith("5.2."):
        return [_("The mailbox takes no mail now, often because it is full. Only its owner can change that.")]
    if enhanced.startswith("5.7."):
        return [
            _("If the words speak of relaying, store user and password in the connection."),
            _("Otherwise check SPF, DKIM and DMARC of the sender's domain, and lists of blocked addresses."),
        ]
    return [
        _("Check the address for typing errors."),
        _("Ask the recipient, in another way, whether it still exists."),
    ]


def content(code: int, enhanced: str) -> list[str]:
    """The mail itself is refused."""
    if code == 552 or enhanced in {"5.2.3", "5.3.4"}:
        return [_("The mail is too large for the server: send it with fewer or smaller attachments.")]
    return [
        _("The server refuses what the mail says or holds, often as spam. Its words tell what it minds."),
        _("Check SPF, DKIM and DMARC of the sender's domain."),
    ]


STEPS: dict[str, Callable[[int, str], list[str]]] = {
    "resolve": resolve,
    "connect": connect,
    "greeting": greeting,
    "ehlo": greeting,
    "tls": tls,
    "auth": auth,
    "mail": sender,
    "rcpt": recipient,
    "data": content,
    "content": content,
}
