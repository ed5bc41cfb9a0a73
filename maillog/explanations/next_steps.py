"""What to do about a mail that did not get through: short steps, by where it ended and by what the server answered.

Pure: it only reads what it is given. What a refusal means is `maillog.explanations.refusals`'s to tell; where that does
not know, the place where it ended decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazily

from maillog.explanations.refusals import kind
from maillog.models import Attempt, Recipient, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.utils.functional import _StrPromise

    from maillog.models import Message

UNSUCCESSFUL = frozenset({Attempt.Outcome.DEFERRED, Attempt.Outcome.FAILED, Attempt.Outcome.PARTIAL})
# Where the connection, not the mail, is what has to be mended.
CONNECTION_PHASES = frozenset({"resolve", "connect", "greeting", "ehlo", "tls", "auth"})


USUALLY_TEMPORARY = frozenset(
    {"greylisting", "rate-limited", "busy", "policy"}
)  # what, put off, mostly goes by without us
CHECK_DOMAIN = lazily("Check SPF, DKIM and DMARC of the sender's domain.")
# By what a refusal means (the keys of `maillog.explanations.refusals`), where the mail, not the connection, was
# refused.
BY_KIND: dict[str, tuple[_StrPromise, ...]] = {
    "mailbox-missing": (
        lazily("Check the address for typing errors."),
        lazily("Ask the recipient, in another way, whether it still exists."),
    ),
    "mailbox-moved": (lazily("Ask the recipient, in another way, for the new address."),),
    "mailbox-disabled": (
        lazily("The mailbox is closed. Ask the recipient, in another way, for an address that takes mail."),
    ),
    "mailbox-full": (
        lazily("The mailbox is full, and only its owner can make room: tell the recipient in another way."),
        lazily("Then send it again."),
    ),
    "address-invalid": (lazily("Check the address for typing errors and for signs that do not belong there."),),
    "domain-missing": (
        lazily("Check what stands behind the @ for typing errors."),
        lazily("If it is right, the domain's DNS is out of order: ask the recipient in another way."),
    ),
    "domain-takes-no-mail": (
        lazily("Check what stands behind the @ for typing errors: this domain says that it has no mail at all."),
    ),
    "sender-refused": (
        lazily("Use a From address for which this account may send, in the mail settings or in the connection."),
        lazily("Or allow the account, at the provider, to send for the address."),
    ),
    "sender-domain": (
        lazily("Check the domain of the From address for typing errors."),
        lazily("It needs an MX or address record in the DNS, so that answers can get there."),
    ),
    "relay-denied": (
        lazily("Store user and password in the connection: most servers pass on mail only after a sign-in."),
        lazily("If they are stored, ask whoever runs the server to let this account send to other domains."),
    ),
    "sign-in-needed": (lazily("The server wants a sign-in: store user and password in the connection."),),
    "encryption-needed": (lazily("Choose STARTTLS or implicit TLS in the connection."),),
    "too-big": (lazily("The mail is too large for the server: send it with fewer or smaller attachments."),),
    "too-many-recipients": (lazily("Send it to fewer recipients at a time."),),
    "rate-limited": (
        lazily("Set a limit in the connection below what the provider allows, or ask the provider for a higher one."),
        lazily("Then send it again."),
    ),
    "spam": (
        lazily("The server refuses what the mail says or holds as spam: its words may tell what it minds."),
        CHECK_DOMAIN,
    ),
    "virus": (
        lazily("Look at the attachments and links: the server takes one of them for malware."),
        lazily("If they are harmless, send a link to the file instead."),
    ),
    "blocklist": (
        lazily("Look up the address of the sending server on the list that the words name, and ask to be removed."),
        lazily("Until then send through another connection."),
    ),
    "spf": (
        lazily("Add the sending server to the SPF record of the sender's domain."),
        lazily("Or send through a server which that record names."),
    ),
    "dkim": (
        lazily("Have the sending server sign mails of this domain, and check the DKIM key in its DNS."),
        lazily("If it signs, something on the way changes the mails."),
    ),
    "dmarc": (
        CHECK_DOMAIN,
        lazily("The domain of the From address must be the one that SPF or DKIM vouches for."),
    ),
    "reverse-dns": (
        lazily("Ask whoever runs the sending server to give its address a name (PTR) that leads back to it."),
    ),
    "content": (
        lazily("The server refuses what the mail says or holds, often as spam. Its words tell what it minds."),
        CHECK_DOMAIN,
    ),
    "not-ascii": (lazily("Use an address with plain letters only, or a server that offers SMTPUTF8."),),
    "loop": (lazily("Ask whoever runs the recipient's domain: its mail is forwarded in a circle."),),
    "policy": (
        lazily("If the words speak of relaying, store user and password in the connection."),
        lazily("Otherwise check SPF, DKIM and DMARC of the sender's domain, and lists of blocked addresses."),
    ),
}


def next_steps(mail: Message) -> list[str]:
    """Return what to do, in order; nothing where the mail got through, still waits its turn, or nobody knows.

    The mail's recipients and attempts (newest first) should have been prefetched.
    """
    attempt = next(iter(mail.attempts.all()), None)
    if attempt is None or mail.status not in {Status.FAILED, Status.DEFERRED} or attempt.outcome not in UNSUCCESSFUL:
        return []
    said = decisive_reply(mail, attempt)
    code = said.code or 0
    meant = kind(said.code, said.enhanced_code, said.reply)
    is_put_off = attempt.phase not in CONNECTION_PHASES and 400 <= code < 500
    if is_put_off and (mail.status == Status.DEFERRED or meant in USUALLY_TEMPORARY or meant not in BY_KIND):
        return [temporary_step(mail)]
    return steps_of(attempt.phase, said.code, said.enhanced_code, said.reply)


def steps_of(phase: str, code: int | None, enhanced_code: str, reply: str) -> list[str]:
    """Return what to do about an answer, or none, that ended an attempt in `phase` for good, in order."""
    meant = kind(code, enhanced_code, reply)
    if phase not in CONNECTION_PHASES and meant in BY_KIND and (meant != "policy" or phase == "rcpt"):
        return [str(step) for step in BY_KIND[meant]]
    steps = STEPS.get(phase)
    return steps(code or 0) if steps else []


def decisive_reply(mail: Message, attempt: Attempt) -> Recipient | Attempt:
    """Return who has code and words of what stopped the mail: a refused recipient before the whole attempt."""
    for outcome in (Recipient.Outcome.REFUSED, Recipient.Outcome.DEFERRED):
        for one in mail.recipients.all():
            if one.outcome == outcome and one.code:
                return one
    return attempt


def temporary_step(mail: Message) -> str:
    """Say what follows from a temporary refusal."""
    if mail.status == Status.DEFERRED:
        return _("Nothing has to be done: it is tried again by itself.")
    return _("The server asks for some patience, as many do with senders they do not know. Send it again in a while.")


def resolve(_code: int) -> list[str]:
    """The name leads nowhere."""
    return [
        _("Compare the host with the one your provider gives, letter by letter."),
        _("If it is right, ask whoever runs this machine whether it can look up names."),
    ]


def connect(_code: int) -> list[str]:
    """Nobody is there."""
    return [
        _("Compare host and port with what your provider gives: mostly 587 for STARTTLS, 465 for implicit TLS."),
        _("If they are right, the server is down or a firewall is in between: ask whoever runs the network."),
    ]


def greeting(code: int) -> list[str]:
    """Somebody is there and does not talk."""
    if code:
        return [_("The server turns this machine away: read its words. It may be busy, or this address be on a list.")]
    return [
        _("Check that port and encryption belong together: 587 with STARTTLS, 465 with implicit TLS."),
        _("Make sure that a mail server answers at this port, and no other program."),
    ]


def tls(_code: int) -> list[str]:
    """No encrypted channel."""
    return [
        _("Check that port and encryption belong together: 587 with STARTTLS, 465 with implicit TLS."),
        _("A certificate of your own authority? Paste that authority into the connection, under the rare details."),
    ]


def auth(_code: int) -> list[str]:
    """The sign-in is refused."""
    return [
        _("Type user and password again, exactly as the provider gives them. The user is often the whole address."),
        _("Some providers want an app password, or sending by SMTP switched on for the account."),
    ]


def sender(_code: int) -> list[str]:
    """MAIL FROM is refused."""
    return [str(step) for step in BY_KIND["sender-refused"]]


def recipient(_code: int) -> list[str]:
    """RCPT TO is refused."""
    return [str(step) for step in BY_KIND["mailbox-missing"]]


def content(_code: int) -> list[str]:
    """The mail itself is refused."""
    return [str(step) for step in BY_KIND["content"]]


STEPS: dict[str, Callable[[int], list[str]]] = {
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
