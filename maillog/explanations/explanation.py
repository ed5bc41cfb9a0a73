"""The one explanation of a failure, for every page, command and API. Pure; never raises, whatever a server says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maillog.explanations.advice import ADVICE
from maillog.explanations.meanings import CONNECTION_PHASES, Scope, find_meaning
from maillog.explanations.refusals import UNEXPLAINED, diagnose
from maillog.models import Attempt, Status

if TYPE_CHECKING:
    from maillog.models import Message, Recipient

# Before MAIL, how far the attempt got says more than these.
VAGUE_KEYS = UNEXPLAINED | {"busy", "policy", "protocol", "server-problem", "network-problem", "sign-in-refused"}

SUCCESSES = frozenset({"sent", "logged", "silenced", "skipped", "accepted", "open"})  # of attempts and recipients
COMPARED = 400  # characters of a reply: the log keeps less of it for a recipient than for an attempt


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is the matter.

    `key`: stable, "" if nothing is known. `text`: to follow a colon, "" if the reply says no more than that it refuses.
    `steps`: what to do, in order. `window`: of a limit, see `maillog.explanations.known_replies`.
    """

    key: str = ""
    text: str = ""
    scope: Scope | None = None
    steps: tuple[str, ...] = ()
    window: str = ""


def explain(phase: str, code: int | None, enhanced_code: str, reply: str, *, fault: str = "") -> Explanation:
    """Explain a failure; nothing if the reply is a positive one.

    `phase`: how far the attempt got (`mailadmin.errors.Phase`). `fault`: what this side noticed without a reply, a key
    of `maillog.explanations.meanings`.
    """
    if code and code < 400:
        return Explanation()
    found = diagnose(code, enhanced_code, reply)
    key = fault or found.key
    if phase in CONNECTION_PHASES and not fault and (not key or key in VAGUE_KEYS):
        key = phase
    elif phase and not key:
        key = "interrupted"
    known = find_meaning(key)
    if known is None:
        return Explanation()
    return Explanation(
        key=key,
        text="" if key in UNEXPLAINED else str(known.text),
        scope=known.scope,
        steps=tuple(str(step) for step in ADVICE.get(key, ())),
        window=found.row.window if found.row and not fault else "",
    )


def explain_attempt(attempt: Attempt) -> Explanation:
    """Explain how an attempt ended; nothing if it did not fail."""
    if attempt.outcome in SUCCESSES:
        return Explanation()
    return explain(attempt.phase, attempt.code, attempt.enhanced_code, attempt.reply, fault=attempt.fault)


def decisive_attempt(mail: Message) -> Attempt | None:
    """Return the attempt that shows why `mail` has its status; its attempts (newest first) should be prefetched.

    That is the newest one; of a partly sent message the newest that did not reach all recipients that were left.
    """
    attempts = list(mail.attempts.all())
    newest = next(iter(attempts), None)
    if mail.status != Status.PARTLY_SENT:
        return newest
    return next((one for one in attempts if one.outcome != Attempt.Outcome.SENT), newest)


def explain_recipient(recipient: Recipient, attempt: Attempt | None) -> Explanation:
    """Explain why a recipient did not get the message; `attempt`: the newest one, which may be about others.

    Nothing is explained where the recipient was accepted, skipped or not tried.
    """
    if recipient.outcome in SUCCESSES:
        return Explanation()
    said = (recipient.code, recipient.enhanced_code, recipient.reply[:COMPARED])
    if attempt and (attempt.code, attempt.enhanced_code, attempt.reply[:COMPARED]) == said:
        return explain_attempt(attempt)
    return explain("rcpt" if recipient.code else "", recipient.code, recipient.enhanced_code, recipient.reply)
