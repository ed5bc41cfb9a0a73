"""What became of a message, in one sentence for people, and what to do. Pure: only reads what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import formats, timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from maillog.explanations.explanation import decisive_attempt, explain_attempt, explain_recipient
from maillog.models import Attempt, Recipient, Status
from maillog.text import fit, server_reply_line

if TYPE_CHECKING:
    from maillog.models import Message

LONGEST_REPLY = 200
TONES = {
    Status.SENT: "good",
    Status.PARTLY_SENT: "warn",
    Status.FAILED: "bad",
    Status.UNCERTAIN: "warn",
    Status.DEFERRED: "warn",
    Status.HELD: "warn",
    Status.SENDING: "info",
    Status.LOGGED: "info",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence, its tone (good, bad, warn, info, muted) and advice, which may be empty."""

    sentence: str
    tone: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What a verdict is about: the message, its recipients, its decisive attempt, and the time of asking."""

    mail: Message
    recipients: Sequence[Recipient]
    attempt: Attempt | None
    now: datetime


def verdict(mail: Message, *, now: datetime | None = None) -> Verdict:
    """Return the verdict on `mail`; its recipients and attempts (newest first) should have been prefetched."""
    status = Status(mail.status)
    attempt = decisive_attempt(mail)
    sentence, advice = SENTENCES[status](Case(mail, list(mail.recipients.all()), attempt, now or timezone.now()))
    twice = DUPLICATE_ADVICE.get(status) if mail.possibly_duplicate else None
    return Verdict(sentence, TONES.get(status, "muted"), join_sentences([advice, str(twice or "")]))


def queued(case: Case) -> tuple[str, str]:
    """Say when it is sent."""
    if case.mail.next_attempt_at and case.mail.next_attempt_at > case.now:
        return gettext("Queued, to be sent at %s.") % moment(case.mail.next_attempt_at, case.now), ""
    if case.attempt:
        return gettext("Queued again. The next free worker sends it."), ""
    return gettext("Queued. The next free worker sends it."), ""


def sending(case: Case) -> tuple[str, str]:
    """Say that a worker is sending it, or was."""
    if case.mail.next_attempt_at and case.mail.next_attempt_at <= case.now:
        return (
            gettext("A worker began to send it and did not report back."),
            gettext("The next free worker takes it over. The message may then arrive twice, with the same Message-ID."),
        )
    return gettext("It is being sent now (attempt %s).") % case.mail.attempt_count, ""


def deferred(case: Case) -> tuple[str, str]:
    """Say who deferred it and when the next attempt is."""
    trouble = explanation(case, Recipient.Outcome.DEFERRED)
    if case.attempt and case.attempt.code and case.attempt.host:
        meant = meaning_with_reply(case, Recipient.Outcome.DEFERRED, trouble) or in_parentheses(trouble)
        first = gettext("Deferred by %(host)s%(words)s.") % {"host": case.attempt.host, "words": meant}
    else:
        first = gettext("Deferred%s.") % in_parentheses(trouble)
    parts = [some_accepted(case.recipients), first]
    if case.mail.next_attempt_at and case.mail.next_attempt_at > case.now:
        parts.append(gettext("Next attempt %s.") % moment(case.mail.next_attempt_at, case.now))
    else:
        parts.append(gettext("The next attempt is due."))
    refused = sum(one.outcome == Recipient.Outcome.REFUSED for one in case.recipients)
    advice = ngettext(
        "%s recipient was refused for good; see below.", "%s recipients were refused for good; see below.", refused
    ) % (refused,)
    return join_sentences(parts), advice if refused else ""


def held(case: Case) -> tuple[str, str]:
    """Say what it waits for."""
    reason = as_sentence(case.mail.reason) if case.mail.reason else gettext("it waits for a connection.")
    return (
        gettext("Held: %s") % reason,
        gettext("Nothing is lost. It is sent automatically once the cause is fixed."),
    )


def sent(case: Case) -> tuple[str, str]:
    """Say who accepted it."""
    # The last deferred recipient may have been left out since: then the newest attempt says nothing of an acceptance.
    attempt = case.attempt if case.attempt and case.attempt.outcome == Attempt.Outcome.SENT else None
    said = in_parentheses(reply_line(attempt.code, attempt.enhanced_code, attempt.reply)) if attempt else ""
    asked = [one for one in case.recipients if one.outcome != Recipient.Outcome.SKIPPED]
    values = {"host": attempt.host if attempt else "", "words": said, "count": len(asked)}
    if not values["host"]:
        sentence = gettext("Accepted%(words)s.") % values
    elif len(asked) > 1:
        sentence = gettext("Accepted by %(host)s for all %(count)s recipients%(words)s.") % values
    else:
        sentence = gettext("Accepted by %(host)s%(words)s.") % values
    left_out = len(case.recipients) - len(asked)
    advice = ngettext("%s recipient was left out; see below.", "%s recipients were left out; see below.", left_out) % (
        left_out,
    )
    return sentence, advice if left_out else ""


def failed(case: Case) -> tuple[str, str]:
    """Say who refused it, or why it was given up."""
    refused = [one for one in case.recipients if one.outcome == Recipient.Outcome.REFUSED]
    trouble = explanation(case, Recipient.Outcome.REFUSED)
    host = case.attempt.host if case.attempt else ""
    parts = [some_accepted(case.recipients)]
    if host and (refused or (case.attempt and case.attempt.code and case.attempt.code >= 500)):
        meant = meaning_with_reply(case, Recipient.Outcome.REFUSED, trouble) or after_colon(trouble)
        parts.append(gettext("Refused by %(host)s%(words)s.") % {"host": host, "words": meant})
    elif case.mail.attempt_count > 1:
        trouble = explanation(case, Recipient.Outcome.DEFERRED)
        meant = meaning_with_reply(case, Recipient.Outcome.DEFERRED, trouble) or after_colon(trouble)
        parts.append(
            gettext("Given up after %(attempts)s attempts%(words)s.")
            % {"attempts": case.mail.attempt_count, "words": meant}
        )
    else:
        parts.append(gettext("Not delivered%s.") % after_colon(trouble))
    parts.append(gettext("It will not be retried."))
    return join_sentences(parts), ""


def partly_sent(case: Case) -> tuple[str, str]:
    """Say how many have it, why the others do not, and what sending it again does."""
    return failed(case)[0], gettext("Sent again, it goes only to those who did not get it.")


def uncertain(case: Case) -> tuple[str, str]:
    """Say that the outcome is unknown, and whether it is sent again automatically."""
    host = case.attempt.host if case.attempt and case.attempt.host else gettext("the server")
    sentence = (
        gettext("The whole message was sent to %s, but the reply was lost: it may or may not have arrived.") % host
    )
    due = case.mail.next_attempt_at
    if due is None:
        return sentence, gettext("It is not sent again automatically. Ask the recipient before you send it again.")
    when = moment(due, case.now) if due > case.now else gettext("with the next free worker")
    return sentence, gettext("It is sent again (%s), with the same Message-ID; cancel it if it has arrived.") % when


def logged(case: Case) -> tuple[str, str]:
    """Say that it was only recorded."""
    return gettext("Recorded and not sent: the driver in force delivers nothing."), as_sentence(case.mail.reason)


def silenced(case: Case) -> tuple[str, str]:
    """Say that it was not delivered to anyone."""
    return gettext("Everything was done except the delivery."), as_sentence(case.mail.reason)


def skipped(case: Case) -> tuple[str, str]:
    """Say why nothing was sent."""
    return gettext("Not sent: %s") % (as_sentence(case.mail.reason) or gettext("there was no recipient left.")), ""


def cancelled(case: Case) -> tuple[str, str]:
    """Say that it was cancelled, and whether that was in time."""
    if some := some_accepted(case.recipients):
        return f"{some} {gettext('Cancelled for the others.')}", as_sentence(case.mail.reason)
    if case.mail.possibly_duplicate or (case.attempt and case.attempt.outcome == Attempt.Outcome.UNCERTAIN):
        return gettext("Cancelled, but an earlier attempt may have reached the recipient."), as_sentence(
            case.mail.reason
        )
    if case.mail.claim:
        said = gettext("Cancelled while a worker had it in hand. If it had been handed over, it will be shown as sent.")
        return said, as_sentence(case.mail.reason)
    return gettext("Cancelled before it was sent."), as_sentence(case.mail.reason)


# The end of the advice if a message is or was sent again after a server's reply, or a worker, was lost.
MAY_ARRIVE_TWICE = _("It may arrive twice: an earlier attempt ended without a reply. Both have the same Message-ID.")
MAY_HAVE_ARRIVED = _("An earlier attempt ended without a reply: it may have arrived all the same.")
DUPLICATE_ADVICE = {
    Status.QUEUED: MAY_ARRIVE_TWICE,
    Status.SENDING: MAY_ARRIVE_TWICE,
    Status.DEFERRED: MAY_ARRIVE_TWICE,
    Status.HELD: MAY_ARRIVE_TWICE,
    Status.SENT: _(
        "Possibly delivered twice: an earlier attempt ended without a reply. Both have the same Message-ID."
    ),
    Status.PARTLY_SENT: MAY_HAVE_ARRIVED,
    Status.FAILED: MAY_HAVE_ARRIVED,
    Status.SKIPPED: MAY_HAVE_ARRIVED,
}

SENTENCES = {
    Status.QUEUED: queued,
    Status.SENDING: sending,
    Status.DEFERRED: deferred,
    Status.HELD: held,
    Status.SENT: sent,
    Status.PARTLY_SENT: partly_sent,
    Status.FAILED: failed,
    Status.UNCERTAIN: uncertain,
    Status.LOGGED: logged,
    Status.SILENCED: silenced,
    Status.SKIPPED: skipped,
    Status.CANCELLED: cancelled,
}


def reply_line(code: int | None, enhanced_code: str, reply: str) -> str:
    """Return the server's reply on one line, cut to 200 characters; the attempt has all of it."""
    return fit(server_reply_line(code, enhanced_code, reply), LONGEST_REPLY)


def explanation(case: Case, outcome: str) -> str:
    """Return the reply about a recipient with this outcome, else that of the attempt, else the reason."""
    if one := reply_source(case, outcome):
        return reply_line(one.code, one.enhanced_code, one.reply)
    return fit(" ".join(case.mail.reason.split()), LONGEST_REPLY)


def meaning_with_reply(case: Case, outcome: str, trouble: str) -> str:
    """Return ": the mailbox does not exist (550 5.1.1 no such user)", or nothing if the meaning is not known."""
    one = reply_source(case, outcome)
    if one is None or not one.code:  # our own text says what happened
        return ""
    found = explain_recipient(one, case.attempt) if isinstance(one, Recipient) else explain_attempt(one)
    return f": {found.text}{in_parentheses(trouble.rstrip('.'))}" if found.text else ""


def reply_source(case: Case, outcome: str) -> Recipient | Attempt | None:
    """Return what has the reply: a recipient with this outcome, or the attempt; None if there is no reply."""
    for one in case.recipients:
        if one.outcome == outcome and one.reply:
            return one
    attempt = case.attempt
    return attempt if attempt and attempt.reply and attempt.outcome not in {"sent", "partial"} else None


def some_accepted(recipients: Sequence[Recipient]) -> str:
    """Return "Accepted for 2 of 3 recipients." if it was accepted for some, but not all; else nothing."""
    asked = [one for one in recipients if one.outcome != Recipient.Outcome.SKIPPED]
    done = sum(one.outcome == Recipient.Outcome.ACCEPTED for one in asked)
    if not 0 < done < len(asked):
        return ""
    return gettext("Accepted for %(done)s of %(all)s recipients.") % {"done": done, "all": len(asked)}


def moment(at: datetime, now: datetime) -> str:
    """Return the time of day in the time zone in force, with the day if it is not today."""
    local, today = timezone.localtime(at), timezone.localtime(now).date()
    if local.date() == today:
        return formats.date_format(local, "H:i")
    return formats.date_format(local, "j M, H:i" if local.year == today.year else "j M Y, H:i")


def in_parentheses(text: str) -> str:
    """Return the text in brackets after a space, or nothing."""
    return f" ({text})" if text else ""


def after_colon(text: str) -> str:
    """Return the text after a colon, without a full stop of its own, or nothing."""
    return f": {text.rstrip('.')}" if text else ""


def as_sentence(text: str) -> str:
    """Return the text on one line with a full stop at its end, or nothing."""
    line = " ".join(text.split())
    return line if not line or line[-1] in ".!?…" else f"{line}."


def join_sentences(parts: Sequence[str]) -> str:
    """Return the sentences that are not empty, joined by blanks."""
    return " ".join(part for part in parts if part)
