"""What a server's refusal means, in words for people and as a key for programs. Pure; never raises, whatever comes.

The enhanced code decides where it says something: RFC 3463 section 3 and its registry at IANA (RFC 5248), which holds
the later ones, of RFC 4954 (sign-in), 6531 (SMTPUTF8), 7372 (SPF, DKIM, reverse DNS) and 7505 (null MX). The first
digit, whether it lasts, is left to whoever asks. Many servers give no enhanced code, or one that says "other" or
"policy" about everything (X.1.0, X.7.1); then their words are looked at for the phrases that Postfix, Exim, Exchange,
Gmail and other large providers use, and at last the reply code (RFC 5321 section 4.2.3, RFC 4954 section 6).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.utils.functional import _StrPromise

LONGEST_REPLY = 1000  # characters of a reply that are looked at
ADDRESS = re.compile(r"[^\s<>]{1,254}@[^\s<>]{1,254}|https?://\S{1,500}")  # of what they hold nothing is meant

# Key -> what follows "Refused by mx.example.com: ". The keys are stable: they are stored and compared.
MEANINGS: dict[str, _StrPromise] = {
    "mailbox-missing": _("the mailbox does not exist"),
    "mailbox-moved": _("the mailbox has moved"),
    "mailbox-disabled": _("the mailbox takes no mail"),
    "mailbox-full": _("the mailbox is full"),
    "address-invalid": _("the address is not written as the server expects it"),
    "domain-missing": _("the domain of the address was not found"),
    "domain-takes-no-mail": _("the domain of the address takes no mail"),
    "sender-refused": _("this sender is not allowed"),
    "sender-domain": _("the domain of the sender was not found or takes no mail"),
    "relay-denied": _("the server does not pass on mail to this domain for us"),
    "sign-in-needed": _("the server wants a sign-in first"),
    "sign-in-refused": _("the sign-in is refused"),
    "encryption-needed": _("the server wants an encrypted connection"),
    "greylisting": _("greylisting, the server asks for some patience"),
    "rate-limited": _("too much mail in a short time"),
    "busy": _("the server is busy or out of order"),
    "too-big": _("the mail is too big"),
    "too-many-recipients": _("the mail has too many recipients"),
    "spam": _("refused as spam"),
    "virus": _("the server takes it for malware"),
    "blocklist": _("the sending server is on a block list"),
    "spf": _("the SPF check of the sender's domain failed"),
    "dkim": _("the DKIM check of the mail failed"),
    "dmarc": _("the sender's domain does not vouch for the mail by DMARC, SPF or DKIM"),
    "reverse-dns": _("the sending server has no matching name in the DNS"),
    "content": _("the server does not accept what the mail holds"),
    "not-ascii": _("the server cannot handle an address that is not plain ASCII"),
    "loop": _("the mail goes round in a loop"),
    "policy": _("the server's rules forbid it"),
    "protocol": _("the server did not understand what it was told"),
}

# Subject and detail of an enhanced code -> key.
ENHANCED = {
    "1.1": "mailbox-missing",
    "1.2": "domain-missing",
    "1.3": "address-invalid",
    "1.4": "address-invalid",  # ambiguous
    "1.6": "mailbox-moved",
    "1.7": "sender-refused",  # its syntax
    "1.8": "sender-domain",
    "1.10": "domain-takes-no-mail",
    "2.1": "mailbox-disabled",
    "2.2": "mailbox-full",
    "2.3": "too-big",
    "3.1": "busy",  # the server's disk is full
    "3.2": "busy",
    "3.4": "too-big",
    "3.5": "busy",  # configured wrongly
    "4.1": "busy",
    "4.2": "busy",
    "4.3": "busy",
    "4.4": "domain-missing",  # no route
    "4.5": "busy",
    "4.6": "loop",
    "5.1": "protocol",
    "5.2": "protocol",
    "5.3": "too-many-recipients",
    "5.4": "protocol",
    "5.5": "protocol",
    "5.6": "protocol",
    "6.1": "content",
    "6.2": "content",
    "6.3": "content",
    "6.6": "content",
    "6.7": "not-ascii",
    "6.8": "not-ascii",
    "6.9": "not-ascii",
    "6.10": "not-ascii",
    "7.2": "policy",  # no posting to that list
    "7.8": "sign-in-refused",
    "7.9": "sign-in-refused",
    "7.10": "encryption-needed",
    "7.11": "encryption-needed",
    "7.12": "sign-in-refused",
    "7.13": "mailbox-disabled",
    "7.16": "too-big",
    "7.17": "mailbox-moved",  # the owner has changed
    "7.18": "mailbox-moved",
    "7.20": "dkim",
    "7.21": "dkim",
    "7.22": "dkim",
    "7.23": "spf",
    "7.24": "spf",
    "7.25": "reverse-dns",
    "7.26": "dmarc",
    "7.27": "sender-domain",
    "7.28": "rate-limited",
    "7.30": "encryption-needed",
    "7.57": "sign-in-needed",  # Exchange: the client was not authenticated to send anonymous mail
    "7.60": "sender-refused",  # Exchange: no permission to send as this sender
}
# The same for all three numbers, where the class matters: X.4.1 says that a host did not answer, which does not last;
# Exchange Online refuses an unknown mailbox with "550 5.4.1 Recipient address rejected: Access denied".
WHOLE_CODES = {"5.4.1": "mailbox-missing"}
# Those that say too little: first come the words, then these.
VAGUE = {"7.0": "policy", "7.1": "policy", "6.0": "content"}
ENHANCED_CODE = re.compile(r"[245]\.(\d{1,3}\.\d{1,3})")

PHRASES = {
    key: re.compile(pattern)
    for key, pattern in {
        "greylisting": r"gr[ae]y[- ]?list|postgrey",
        "relay-denied": (
            r"relay(?:ing)? (?:access )?(?:is )?(?:denied|not (?:allowed|permitted)|prohibited)"
            r"|unable to relay|not permitted to relay|do(?:es)? not relay|we do not relay"
        ),
        "virus": r"\b(?:virus|malware|infected)\b",
        "dmarc": r"\bdmarc\b|unauthenticated (?:mail|email)",
        "dkim": r"\bdkim\b",
        "spf": r"\bspf\b|sender policy framework",
        "reverse-dns": r"reverse (?:dns|hostname)|\bptr\b|\brdns\b",
        "blocklist": (
            r"blacklist|block ?list|denylist|\bdnsbl\b|\brbl\b|spamhaus|spamcop|barracuda|blocked using|sender ?score"
            r"|(?:bad|poor|low) reputation|banned (?:sending )?ip|\bip\b.{0,60}\bblocked\b"
        ),
        "spam": r"\bspam\b|\bspammy\b|\bunsolicited\b|\bjunk mail\b|\bubes?\b|\buce\b",
        "mailbox-full": (
            r"(?:mailbox|inbox|account|user|recipient|quota|storage).{0,40}\b(?:full|over ?quota|exceeded)\b"
            r"|over ?quota|quota (?:is )?exceeded|exceeded storage allocation|out of storage|insufficient disk quota"
        ),
        "too-big": (
            r"(?:message|mail|size).{0,40}(?:too (?:big|large)|exceeds)|too (?:big|large) (?:message|mail)"
            r"|(?:maximum|max) (?:message )?size|size limit|exceeds (?:fixed )?(?:maximum|size)"
        ),
        "too-many-recipients": r"too many recipients",
        "rate-limited": (
            r"rate ?limit|too (?:many|much) (?:mails?|messages|connections|emails|sessions)|throttl"
            r"|limit (?:has been )?(?:exceeded|reached)|exceeded.{0,40}\blimit|too fast"
        ),
        "encryption-needed": (
            r"must issue a? ?starttls|starttls (?:is )?(?:required|first)|(?:tls|encryption) required"
        ),
        "sign-in-refused": (
            r"authentication (?:failed|unsuccessful|credentials invalid|failure)|invalid (?:login|credentials)"
            r"|(?:username|user name|login|password).{0,40}(?:not accepted|incorrect|invalid)|bad credentials"
        ),
        "sign-in-needed": (
            r"authentication (?:is )?required|must (?:first )?(?:authenticate|log ?in|sign ?in)|not authenticated"
            r"|(?:log ?in|sign ?in) (?:is )?required|auth(?:orization)? required"
        ),
        "sender-refused": (
            r"sender (?:address )?(?:rejected|refused|denied|not (?:allowed|owned|authori[sz]ed))|sendasdenied"
            r"|not (?:allowed|owned|permitted|authori[sz]ed) (?:by user|to send (?:as|from))|send as this sender"
            r"|from address.{0,40}(?:not (?:allowed|verified)|rejected)|invalid sender"
            r"|address is not verified"
        ),
        "domain-missing": (
            r"(?:host|domain) (?:name )?(?:not found|unknown|does not exist|doesn't exist)|unknown (?:host|domain)"
            r"|unrouteable (?:address|mail domain)|no such domain|name service error"
        ),
        "mailbox-disabled": (
            r"(?:mailbox|account|user|recipient|address)\b.{0,40}\b(?:disabled|inactive|suspended|deactivated|locked)\b"
            r"|(?:disabled|inactive|suspended) (?:mailbox|account|user|recipient)|not accepting (?:mail|messages)"
        ),
        "mailbox-missing": (
            r"(?:user|recipient|mailbox|account|address)\b.{0,80}"
            r"\b(?:unknown|not found|not exist|doesn't exist|not known|invalid|unavailable)"
            r"|(?:unknown|no such|invalid|nonexistent|non-existent|nonexisting) "
            r"(?:local )?(?:user|recipient|mailbox|account|address|person)"
            r"|not (?:a valid|a known) (?:user|recipient|mailbox|address)|no mailbox (?:here )?(?:by|with) that"
            r"|does not like recipient|does not have an? .{0,40}account"
        ),
        "not-ascii": r"smtputf8",
        "loop": r"(?:mail|routing|message) loop|too many (?:hops|received)|\bloops? back\b",
        "busy": (
            r"try (?:again )?later|temporar(?:y|ily)|\bbusy\b|service (?:is )?(?:not available|unavailable)|overload"
        ),
        "content": r"content (?:rejected|refused|filter)|message (?:content )?(?:rejected|refused|blocked)",
        "policy": (
            r"\bpolic(?:y|ies)\b|access denied|not (?:permitted|allowed|authori[sz]ed)|administrative prohibition"
        ),
    }.items()
}  # in the order in which they are looked for

# Reply code -> key, for those that say more than a vague enhanced code.
SIGN_IN_CODES = {530: "sign-in-needed", 534: "sign-in-refused", 535: "sign-in-refused", 538: "encryption-needed"}
# Reply code -> key, where nothing else tells. 550, 553 and 554 can mean anything.
CODES = {
    421: "busy",
    432: "sign-in-refused",
    450: "busy",  # mailbox unavailable: busy, or blocked for a while
    451: "busy",
    452: "busy",
    454: "busy",
    500: "protocol",
    501: "protocol",
    502: "protocol",
    503: "protocol",
    504: "protocol",
    521: "domain-takes-no-mail",
    552: "too-big",
    555: "protocol",
    556: "domain-takes-no-mail",
}


def meaning(code: int | None, enhanced_code: str, reply: str) -> str:
    """Return what a refusal means, e.g. "the mailbox does not exist" (to follow a colon), "" if nobody can tell."""
    return str(MEANINGS.get(kind(code, enhanced_code, reply), ""))


def kind(code: int | None, enhanced_code: str, reply: str) -> str:
    """Return the stable key of what a refusal means, e.g. ``mailbox-missing``; "" if nobody can tell.

    Nothing is a refusal that has neither a code of 400 or more nor an enhanced code of class 4 or 5: what we say
    ourselves about a connection that broke is no server's word.
    """
    if not (code and 400 <= code < 600) and not enhanced_code.startswith(("4.", "5.")):
        return ""
    if enhanced_code.strip() in WHOLE_CODES:
        return WHOLE_CODES[enhanced_code.strip()]
    match = ENHANCED_CODE.fullmatch(enhanced_code.strip())
    detail = match[1] if match else ""
    if detail in ENHANCED:
        return ENHANCED[detail]
    return kind_from_text(reply) or SIGN_IN_CODES.get(code or 0) or VAGUE.get(detail) or CODES.get(code or 0, "")


def kind_from_text(reply: str) -> str:
    """Return the key that the words of a reply stand for, "" if they hold none of the phrases."""
    text = " ".join(ADDRESS.sub(" ", reply[:LONGEST_REPLY].lower()).split())
    return next((key for key, pattern in PHRASES.items() if pattern.search(text)), "")


def keys() -> Iterable[str]:
    """Return every key that `kind` can return, but ""."""
    return MEANINGS.keys()
