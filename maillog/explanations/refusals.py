"""What a server's refusal means, as a stable key. Pure; never raises, whatever a server says.

Four sources, in this order:

1. A reply of a well-known provider (`maillog.explanations.known_replies`), which may contradict its own codes.
2. The enhanced code, where it is specific: RFC 3463 section 3 and its registry at IANA (RFC 5248), with RFC 4954
   (sign-in), 6531 (SMTPUTF8), 7372 (SPF, DKIM, reverse DNS) and 7505 (null MX).
3. The phrases that mail servers use. Many give no enhanced code, or one that says "other" or "policy" about everything.
4. The reply code (RFC 5321 section 4.2.3, RFC 4954 section 6), then the class of the enhanced code.

Whether a refusal is permanent is not part of its meaning: that is the first digit.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from maillog.explanations.known_replies import KnownReply, find_reply
from maillog.explanations.meanings import text_of

LONGEST_REPLY = 1000  # characters of a reply that are examined
ADDRESS = re.compile(r"[^\s<>]{1,254}@[^\s<>]{1,254}|https?://\S{1,500}")  # their words say nothing about the refusal

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
    "7.60": "sender-mismatch",  # Exchange: no permission to send as this sender
}
# The same for all three numbers, where the class matters: X.4.1 says that a host did not answer, which does not last;
# Exchange Online refuses an unknown mailbox with "550 5.4.1 Recipient address rejected: Access denied".
WHOLE_CODES = {"5.4.1": "mailbox-missing"}
# Those that say too little: the phrases come first, then these.
VAGUE = {"7.0": "policy", "7.1": "policy", "6.0": "content"}
# The class of the code alone (RFC 3463 section 3), for details that are not listed; X.Y.0 says nothing at all.
SUBJECTS = {
    "1": "address-problem",
    "2": "mailbox-problem",
    "3": "server-problem",
    "4": "network-problem",
    "5": "protocol",
    "6": "content",
    "7": "policy",
}
ENHANCED_CODE = re.compile(r"[245]\.(\d{1,3}\.\d{1,3})")
QMAIL_CODE = re.compile(r"\(#([245]\.\d{1,3}\.\d{1,3})\)")  # at the end of the text, as qmail and its heirs write it
# A mailbox's or an address's own code (X.1.x, X.2.x) weighs more than a phrase that no provider is known for.
OF_RECIPIENT = re.compile(r"[45]\.[12]\.")

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

UNEXPLAINED = frozenset({"refused", "deferred"})  # the server gave no reason that is known

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


class Diagnosis(NamedTuple):
    """The key of a refusal ("" if there is none), and the row that it comes from, if it is a known reply."""

    key: str
    row: KnownReply | None = None


def meaning(code: int | None, enhanced_code: str, reply: str) -> str:
    """Return what a refusal means, e.g. "the mailbox does not exist" (to follow a colon), "" if that is not known."""
    key = kind(code, enhanced_code, reply)
    return "" if key in UNEXPLAINED else text_of(key)


def kind(code: int | None, enhanced_code: str, reply: str) -> str:
    """Return the stable key of what a refusal means, e.g. ``mailbox-missing``; "" if it is no refusal."""
    return diagnose(code, enhanced_code, reply).key


@lru_cache(maxsize=1024)
def diagnose(code: int | None, enhanced_code: str, reply: str) -> Diagnosis:
    """Return what a refusal means; its key is in `maillog.explanations.meanings.MEANINGS`.

    Nothing is a refusal that has neither a code
    of 400 or more nor an enhanced code of class 4 or 5: our own text about a broken connection is no server's reply.
    """
    enhanced = enhanced_code.strip()
    if not (code and 400 <= code < 600) and not enhanced.startswith(("4.", "5.")):
        return Diagnosis("")
    if not enhanced and (found := QMAIL_CODE.search(reply[:LONGEST_REPLY])):
        enhanced = found[1]
    text = plain_text(reply)
    row = find_reply(" ".join(part for part in (str(code or ""), enhanced, text) if part))
    if row and (row.provider or not OF_RECIPIENT.match(enhanced)):
        return Diagnosis(row.meaning, row)
    match = ENHANCED_CODE.fullmatch(enhanced)
    detail = match[1] if match else ""
    key = (
        WHOLE_CODES.get(enhanced)
        or ENHANCED.get(detail)
        or kind_from_text(text)
        or SIGN_IN_CODES.get(code or 0)
        or VAGUE.get(detail)
        or CODES.get(code or 0)
        or ("" if detail.endswith(".0") else SUBJECTS.get(detail.partition(".")[0], ""))
        or ("refused" if (code or 0) >= 500 or enhanced.startswith("5.") else "deferred")
    )
    return Diagnosis(key)


def plain_text(reply: str) -> str:
    """Return the reply in lower case, with single blanks, without addresses and links, cut to LONGEST_REPLY."""
    return " ".join(ADDRESS.sub(" ", reply[:LONGEST_REPLY].lower()).split())


def kind_from_text(text: str) -> str:
    """Return the key that the phrases of a `plain_text` stand for, "" if it has none of them."""
    return next((key for key, pattern in PHRASES.items() if pattern.search(text)), "")
