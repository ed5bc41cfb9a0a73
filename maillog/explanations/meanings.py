"""What can be the matter: a stable key, the words for people, and whom it is about. Pure data.

The keys are stored (attempts, incidents, statistics) and compared. The words follow a colon: "Refused by
mx.example.com: ". `MEANINGS` are what a server's reply can mean, `FAULTS` what this side finds out without a reply, and
`PHASES` how far an attempt got before the message was its concern, where nothing else is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class Scope(StrEnum):
    """Whom a reply is about, and so what else it would hit."""

    RECIPIENT = "recipient"  # this address; other recipients of the message are not concerned
    MESSAGE = "message"  # this message, whoever receives it
    SENDER = "sender"  # every message from this sender address or domain
    ACCOUNT = "account"  # every message through this connection, until the provider lifts it
    US = "us"  # our machine, its address or its configuration
    SERVER = "server"  # the server's own trouble


@dataclass(frozen=True, slots=True)
class Meaning:
    """The words, without a capital letter and a full stop, and whom it is about."""

    text: _StrPromise
    scope: Scope


def _meanings(scope: Scope, texts: dict[str, _StrPromise]) -> dict[str, Meaning]:
    return {key: Meaning(text, scope) for key, text in texts.items()}


MEANINGS: dict[str, Meaning] = {
    **_meanings(
        Scope.RECIPIENT,
        {
            "mailbox-missing": _("the mailbox does not exist"),
            "mailbox-moved": _("the mailbox has moved"),
            "mailbox-disabled": _("the mailbox does not accept mail"),
            "mailbox-full": _("the mailbox is full"),
            "recipient-limit": _("the recipient is getting too much mail at the moment"),
            "recipient-suppressed": _("the provider has this recipient on its suppression list"),
            "address-invalid": _("the server does not accept the form of the address"),
            "domain-missing": _("the domain of the address was not found"),
            "domain-takes-no-mail": _("the domain of the address does not accept mail"),
            "address-problem": _("something is wrong with the address"),
            "mailbox-problem": _("something is wrong with the mailbox"),
            "not-ascii": _("the server cannot handle an address that is not plain ASCII"),
        },
    ),
    **_meanings(
        Scope.MESSAGE,
        {
            "too-big": _("the message is too big"),
            "too-many-recipients": _("the message has too many recipients"),
            "long-lines": _("the message has lines that are too long for the server"),
            "malformed": _("the server finds the message malformed"),
            "attachment-refused": _("the server does not accept an attachment of this type"),
            "spam": _("refused as spam"),
            "virus": _("the server takes it for malware"),
            "content": _("the server does not accept the content of the message"),
            "policy": _("the server's rules forbid it"),
            "refused": _("the server refuses it without a known reason"),
            "deferred": _("the server defers it without a known reason"),
        },
    ),
    **_meanings(
        Scope.SENDER,
        {
            "sender-refused": _("this sender is not allowed"),
            "sender-mismatch": _("this account may not send from this sender address"),
            "sender-unverified": _("the sender address or its domain is not verified with the provider"),
            "sender-domain": _("the domain of the sender was not found or does not accept mail"),
            "spf": _("the SPF check of the sender's domain failed"),
            "dkim": _("the DKIM check of the message failed"),
            "dmarc": _("the message is not authenticated for the sender's domain (DMARC, SPF, DKIM)"),
        },
    ),
    **_meanings(
        Scope.ACCOUNT,
        {
            "sending-limit": _("the sending limit of the account is reached"),
            "too-many-connections": _("too many connections at the same time"),
            "unusual-activity": _("the provider has stopped the account because of unusual activity"),
            "too-many-sign-ins": _("too many sign-ins within a short time"),
            "account-blocked": _("the provider has blocked the account from sending"),
            "account-restricted": _("the account may send only to or from verified addresses so far"),
            "relay-denied": _("the server does not relay mail to this domain for us"),
            "sign-in-needed": _("the server requires sign-in"),
            "sign-in-refused": _("the sign-in is refused"),
            "sign-in-off": _("sign-in by SMTP is switched off for this account"),
            "app-password": _("the provider requires an app password"),
            "browser-sign-in": _("the provider requires a sign-in in the browser first"),
            "passwords-refused": _("the server does not accept passwords"),
        },
    ),
    **_meanings(
        Scope.US,
        {
            "encryption-needed": _("the server requires an encrypted connection"),
            "rate-limited": _("too much mail within a short time"),
            "blocklist": _("the sending server is on a blocklist"),
            "reverse-dns": _("the sending server has no matching name in the DNS"),
            "ehlo-refused": _("the server refuses the EHLO name of this machine"),
            "address-not-allowed": _("the account does not allow sign-in from the address of this machine"),
            "protocol": _("the server did not understand a command"),
        },
    ),
    **_meanings(
        Scope.SERVER,
        {
            "greylisting": _("greylisting, which delays mail from unknown senders"),
            "busy": _("the server is busy or has a problem"),
            "loop": _("the message goes round in a loop"),
            "server-problem": _("the server's mail system has a problem"),
            "network-problem": _("the server's network has a problem"),
        },
    ),
}


# What the driver notices itself. A driver names one in `DeliveryError.fault`; it may also name a key of MEANINGS.
FAULTS: dict[str, Meaning] = _meanings(
    Scope.US,
    {
        "host-unknown": _("there is no host of this name"),
        "host-forbidden": _("the host is at an address that is not allowed"),
        "connection-refused": _("nothing listens at this host and port"),
        "connection-timeout": _("the host does not answer"),
        "certificate-expired": _("the certificate of the server has expired"),
        "certificate-not-yet-valid": _("the certificate of the server is not yet valid"),
        "certificate-name": _("the certificate of the server is for another name"),
        "certificate-self-signed": _("the certificate of the server is self-signed"),
        "certificate-authority": _("the certificate of the server is from an authority that is not trusted here"),
        "certificate-other": _("the certificate of the server cannot be trusted"),
        "authority-unreadable": _("the connection's own certificate authority cannot be read"),
        "tls-outdated": _("the server supports no secure version of TLS"),
        "tls-aborted": _("the server closed the connection during the TLS handshake"),
        "starttls-missing": _("the server does not offer STARTTLS"),
        "tls-not-spoken": _("the server does not begin with TLS on this port"),
        "tls-expected": _("the server expects implicit TLS on this port"),
        "sign-in-missing": _("the server offers no sign-in"),
        "sign-in-unsupported": _("the server offers no sign-in method that is supported here"),
        "unsendable": _("the message cannot be sent to this server as it is"),
        "interrupted": _("the SMTP conversation was interrupted"),
        "credentials-unsendable": _("the user name or the password holds a character that cannot be sent"),
    },
)

# How far an attempt got (a value of `mailadmin.errors.Phase`). A failure in one of these would have hit any message.
PHASES: dict[str, Meaning] = {
    phase: Meaning(text, Scope.SERVER)
    for phase, text in {
        "resolve": _("the host's name cannot be resolved"),
        "connect": _("the host cannot be reached"),
        "greeting": _("the server does not greet as it should"),
        "ehlo": _("the server does not greet as it should"),
        "tls": _("no encrypted connection can be established"),
        "auth": _("the sign-in fails"),
    }.items()
}
CONNECTION_PHASES = frozenset(PHASES)


def find_meaning(key: str) -> Meaning | None:
    """Return what is known of a key, or None."""
    return MEANINGS.get(key) or FAULTS.get(key) or PHASES.get(key)


def text_of(key: str) -> str:
    """Return the words of a key, e.g. "the mailbox does not exist"; "" for an unknown one."""
    found = find_meaning(key)
    return str(found.text) if found else ""
