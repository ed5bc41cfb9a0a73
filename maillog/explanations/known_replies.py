"""Replies of well-known providers and mail servers, as data: who says it, how it is recognised, and what it means.

A pattern is searched for in the lower-case reply, with its codes in front ("550 5.4.5 daily user sending limit ...")
and with addresses and links removed. The first row that matches decides, so the narrower one comes first. The words are
specific enough to be recognised whatever server passes them on. Sources: the providers' lists of SMTP errors, the
source of the free servers, and replies quoted in public reports; `tests/maillog/explanations/real_replies.tsv` has one
of each.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# When a limit may end, where the reply does not say so: the length of the window that it counts in.
SECOND, MINUTE, HOUR, DAY, UNKNOWN = "second", "minute", "hour", "day", "unknown"


class KnownReply(NamedTuple):
    """One row. `provider`: who says it, "" for many. `window`: of a limit, one of the above."""

    provider: str
    pattern: re.Pattern[str]
    meaning: str  # a key of `maillog.explanations.meanings`
    window: str = ""


_LIMIT = r"(?:limits?|quota|credits?)"
_REACHED = r"(?:reach(?:ed)?|exceed(?:s|ed|ing)?)"
_WAIT = r"(?:try again|wait|retry) (?:in|after|later)"
_STOPPED = r"(?:suspended|blocked|disabled|banned|frozen)"
_OUR = r"(?:sending|send|outgoing|outbound|relay|submission|outmail|smtp) (?:mail |message |e-?mail )?"
_OUR_ACCOUNT = r"(?:your|the sending) (?:smtp |sending |e-?mail )?account"


def _row(provider: str, meaning: str, *patterns: str, window: str = "") -> KnownReply:
    return KnownReply(provider, re.compile("|".join(patterns)), meaning, window)


KNOWN_REPLIES = (
    # ------------------------------------------------------------ Gmail, Google Workspace
    _row("gmail", "sending-limit", "daily (?:user |smtp relay )?(?:sending )?(?:limit|quota) exceeded", window=DAY),
    _row("gmail", "sending-limit", "peak smtp relay limit exceeded", window=MINUTE),
    _row("gmail", "recipient-limit", "receiving mail (?:too quickly|at a rate)"),
    _row("gmail", "rate-limited", "unusual rate of unsolicited mail"),
    _row("gmail", "too-many-sign-ins", "too many login attempts", window=HOUR),
    _row("gmail", "app-password", "application-specific password required"),
    _row("gmail", "browser-sign-in", "(?:log|sign) ?in (?:via|with) your (?:web )?browser"),
    _row("gmail", "relay-denied", "invalid credentials for relay", "mail relay denied"),
    _row("gmail", "attachment-refused", "potential security issue"),
    _row(
        "gmail",
        "malformed",
        r"not rfc ?\d* ?compliant",
        "multiple addresses in from",
        "valid address in from",
        "duplicate header",
    ),
    # ------------------------------------------------------------ Microsoft 365, Outlook
    _row(
        "microsoft",
        "account-blocked",
        "bad outbound sender",
        "banned due to detected spam",
        "tenant has exceeded threshold",
    ),
    _row(
        "microsoft",
        "sending-limit",
        "submission ?quota ?exceeded",
        "daily limit for (?:message recipients|sending)",
        "external recipient rate limit",
        window=DAY,
    ),
    _row("microsoft", "recipient-limit", "recipient thread limit exceeded"),
    _row(
        "microsoft",
        "too-many-connections",
        "concurrent connections limit exceeded",
        "sender thread limit exceeded",
        window=MINUTE,
    ),
    _row("microsoft", "sender-mismatch", "send ?as ?denied", "permissions? to send as", "not allowed to send as"),
    _row("microsoft", "passwords-refused", "basic authentication is disabled"),
    _row(
        "microsoft",
        "sign-in-off",
        "smtpclientauthentication is disabled",
        "did not meet the criteria to be authenticated",
    ),
    _row("microsoft", "sign-in-off", "locked by your organization", "security defaults policy"),
    _row("microsoft", "blocklist", "traffic not accepted from this ip", "banned send(?:er|ing ip)"),
    _row("microsoft", "rate-limited", "rate limited due to ip reputation"),
    _row("microsoft", "dmarc", "required authentication level"),
    # ------------------------------------------------------------ Amazon SES
    _row("ses", "sending-limit", "daily (?:message|sending) quota exceeded", window=DAY),
    _row("ses", "sending-limit", "maximum sending rate exceeded", window=SECOND),
    _row("ses", "too-many-connections", "too many concurrent smtp connections", window=MINUTE),
    _row("ses", "sender-unverified", "address(?:es)? (?:is|are) not verified", "identities failed the check"),
    _row("ses", "account-blocked", "sending (?:has been )?(?:paused|suspended|shut ?down)"),
    _row("ses", "sender-mismatch", "not authorized to perform .{0,3}ses:"),
    _row("ses", "too-many-recipients", "recipient count exceeds"),
    _row("ses", "malformed", "transaction failed: (?:missing start boundary|expected|unterminated)"),
    _row("ses", "address-invalid", "transaction failed: missing final", "local address contains control"),
    # ------------------------------------------------------------ SendGrid
    _row("sendgrid", "sending-limit", "maximum credits exceeded", window=DAY),
    _row(
        "sendgrid",
        "sender-unverified",
        "verified sender identity",
        "not authorized to send from that (?:email )?address",
    ),
    _row("sendgrid", "sign-in-needed", "unauthenticated senders not allowed"),
    _row("sendgrid", "sign-in-refused", "authorization grant is invalid"),
    # ------------------------------------------------------------ Mailgun
    _row(
        "mailgun",
        "sending-limit",
        "not allowed to send: .{0,30}limit",
        "(?:sending|recipient) limit exceeded for domain",
        window=HOUR,
    ),
    _row("mailgun", "sender-unverified", "domain is unverified"),
    _row("mailgun", "account-restricted", "for test purposes only", "authorized recipients"),
    _row("mailgun", "account-blocked", "domain .{0,80}is (?:disabled|not allowed to send)", "not allowed to send"),
    # ------------------------------------------------------------ Postmark
    _row("postmark", "recipient-suppressed", "marked as inactive", "inactive (?:recipient|address)"),
    _row(
        "postmark",
        "sender-unverified",
        "not a (?:confirmed )?sender signature",
        "sender signature.{0,40}not (?:found|confirmed)",
    ),
    _row("postmark", "account-restricted", "account is pending approval"),
    # ------------------------------------------------------------ Brevo
    _row("brevo", "address-not-allowed", "unauthori[sz]ed ip address"),
    _row("brevo", "account-blocked", "smtp account is not yet activated", "account (?:is )?not (?:yet )?activated"),
    _row("brevo", "sender-unverified", "sender you used .{0,80}is not valid", "validate your sender"),
    # ------------------------------------------------------------ Yahoo, AOL
    _row("yahoo", "rate-limited", "temporarily deferred due to", r"\[ts(?:s)?\d\d\]"),
    _row("yahoo", "mailbox-missing", "doesn't have an? .{0,30}account"),
    _row("yahoo", "sender-mismatch", "request failed; mailbox unavailable"),
    _row("yahoo", "policy", "not accepted for policy reasons"),
    # ------------------------------------------------------------ cPanel and Exim
    _row("exim", "sending-limit", "exceeded the max (?:emails|defers and failures) per hour", window=HOUR),
    _row("exim", "long-lines", "lines? too long for transport", "maximum line length", "line(?: is)? too long"),
    _row(
        "exim",
        "ehlo-refused",
        "invalid helo",
        "helo name",
        "(?:helo|ehlo).{0,40}(?:reject|refus|invalid|denied|not (?:valid|accept))",
    ),
    _row("exim", "account-blocked", "outgoing mail .{0,80}suspended"),
    _row("exim", "sender-domain", "sender verify failed"),
    _row("exim", "sign-in-needed", "turn on smtp authentication"),
    _row("exim", "sign-in-refused", "incorrect authentication data"),
    _row("exim", "mailbox-missing", "account or domain may not exist"),
    # ------------------------------------------------------------ Postfix
    _row("postfix", "sending-limit", "too (?:much mail|many (?:messages|recipients)) from", window=MINUTE),
    _row("postfix", "too-many-connections", "too many connections from", window=MINUTE),
    _row(
        "postfix",
        "sending-limit",
        "(?:message|sending|sender) quota exceeded",
        "policy rejection.{0,40}quota",
        window=UNKNOWN,
    ),
    _row("postfix", "reverse-dns", "cannot find your (?:reverse )?hostname"),
    _row("postfix", "sender-domain", "sender address rejected: (?:unverified address|domain not found|malformed dns)"),
    _row("postfix", "sender-mismatch", "sender address rejected: not (?:owned by|logged in)"),
    _row("postfix", "domain-missing", "recipient address rejected: domain not found"),
    # ------------------------------------------------------------ GMX, web.de, IONOS
    _row("gmx", "sending-limit", "mail send limit exceeded", window=HOUR),
    _row("gmx", "sender-mismatch", "sender address is not allowed"),
    _row("gmx", "blocklist", "ip address is block ?listed"),
    # ------------------------------------------------------------ Zoho
    _row("zoho", "unusual-activity", "unusual sending activity", window=HOUR),
    _row("zoho", "sender-mismatch", "not allowed to relay emails", "relaying disallowed as"),
    _row("zoho", "account-blocked", "sender address blocked", "outgoing (?:mail|email)s? (?:is |are )?blocked"),
    _row("zoho", "policy", "mail rejected by destination domain"),
    # ------------------------------------------------------------ iCloud
    _row("icloud", "policy", r"\[(?:hm|cs)\d\d\]"),
    _row("icloud", "sender-mismatch", "from address is not one of your addresses"),
    # ------------------------------------------------------------ MailChannels
    _row("mailchannels", "account-blocked", r"\[(?:br|csr|esa|uea)\]"),
    _row("mailchannels", "sender-domain", r"\[sdnf\]"),
    _row("mailchannels", "blocklist", r"\[rbl\]"),
    _row("mailchannels", "spam", r"\[(?:ss|cs|uc|cp)\]"),
    _row("mailchannels", "recipient-suppressed", r"\[(?:uns|rb)\]"),
    _row("mailchannels", "spf", r"\[bfd\]"),
    _row("mailchannels", "sender-mismatch", "sender is not authori[sz]ed to send from"),
    # ------------------------------------------------------------ qmail
    _row("qmail", "relay-denied", "isn't in my list of allowed rcpthosts"),
    _row("qmail", "sender-refused", "in my badmailfrom"),
    _row("qmail", "sender-domain", "envelope sender domain must exist"),
    _row("qmail", "mailbox-missing", "no mailbox here by that name"),
    # ------------------------------------------------------------ GoDaddy, Yandex, QQ, NetEase
    _row("godaddy", "sending-limit", "24-hour sending limit", "relay quota", window=DAY),
    _row("netease", "sender-mismatch", "mail ?from must (?:be same as|equal)"),
    _row("netease", "sending-limit", "(?:connection|ip) frequency limited", window=MINUTE),
    _row("netease", "sign-in-off", "user has no permission"),
    _row("yandex", "sender-mismatch", "not local sender over smtp"),
    # ------------------------------------------------------------ what many say
    _row(
        "",
        "sending-limit",
        rf"{_REACHED}\b.{{0,40}}\b(?:hourly|per hour)\b",
        rf"\bhourly\b.{{0,40}}\b{_LIMIT}\b",
        window=HOUR,
    ),
    _row("", "sending-limit", rf"{_REACHED}\b.{{0,40}}\b(?:daily|per day|24[- ]hour)\b", window=DAY),
    _row("", "sending-limit", rf"\bdaily\b.{{0,40}}\b{_LIMIT}\b.{{0,20}}{_REACHED}", window=DAY),
    _row("", "sending-limit", rf"\b{_OUR}{_LIMIT}\b.{{0,30}}\b{_REACHED}", window=UNKNOWN),
    _row("", "sending-limit", rf"{_REACHED}\b.{{0,30}}\b{_OUR}{_LIMIT}", window=UNKNOWN),
    _row("", "sending-limit", rf"too many (?:e?mails?|messages)(?: sent)?\b.{{0,20}}{_WAIT}", window=UNKNOWN),
    _row(
        "",
        "account-blocked",
        rf"(?:account|user|smtp access|domain).{{0,30}}\b{_STOPPED} (?:from|for) (?:sending|spam)",
    ),
    _row("", "account-blocked", rf"{_OUR_ACCOUNT} (?:has been |is |was )?(?:temporarily )?{_STOPPED}"),
    _row(
        "",
        "attachment-refused",
        r"attachment.{0,40}(?:not (?:allowed|permitted|accepted)|blocked|forbidden|prohibited)",
    ),
)


def find_reply(reply: str) -> KnownReply | None:
    """Return the first row that a reply (prepared as the patterns expect it) matches, or None."""
    return next((row for row in KNOWN_REPLIES if row.pattern.search(reply)), None)
