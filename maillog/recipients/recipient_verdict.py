"""Whether email reaches an address, in a few sentences. Runs no queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils.translation import gettext, ngettext

from maillog.explanations.explanation import explain_recipient
from maillog.explanations.verdict import Verdict, after_colon, in_parentheses, join_sentences, moment, reply_line
from maillog.models import Recipient, Status, Suppression
from maillog.recipients.history import Delivery, DeliveryOutcome, History
from maillog.search.counts import Count

MISSED = frozenset(
    {DeliveryOutcome.REFUSED, DeliveryOutcome.GIVEN_UP, DeliveryOutcome.UNCERTAIN, DeliveryOutcome.LEFT_OUT}
)
TONES = {
    DeliveryOutcome.ACCEPTED: "good",
    DeliveryOutcome.REFUSED: "bad",
    DeliveryOutcome.GIVEN_UP: "bad",
    DeliveryOutcome.UNCERTAIN: "warn",
    DeliveryOutcome.LEFT_OUT: "warn",
    DeliveryOutcome.UNSENT: "info",
}


@dataclass(frozen=True, slots=True)
class RecipientCase:
    """What a verdict is about. `newest`: of the finished messages; `next_waiting`: the first of the waiting ones."""

    history: History
    newest: Delivery | None
    next_waiting: Delivery | None
    suppression: Suppression | None
    now: datetime

    @property
    def length(self) -> int:
        """Return how many of the newest messages in a row have the same outcome."""
        return len(self.history.streak)

    @property
    def counted(self) -> str:
        """Return `length` as text, "1,000+" if there may be more."""
        return str(Count(self.length, more=self.history.more and self.length == len(self.history.decided)))

    @property
    def host(self) -> str:
        """Return the server that the newest message was sent to."""
        attempt = self.newest.attempt if self.newest else None
        return attempt.host if attempt and attempt.host else gettext("the server")


def recipient_verdict(case: RecipientCase) -> Verdict:
    """Return the verdict: suppression, waiting messages, outcome of the newest messages, in this order."""
    parts: list[str] = []
    tone = "muted"
    if not case.history.entries:
        parts.append(gettext("No message in the log is addressed to it."))
    if case.newest:
        if not (
            case.suppression and case.newest.outcome == DeliveryOutcome.LEFT_OUT
        ):  # it would repeat the suppression
            parts.append(SENTENCES[case.newest.outcome](case))
        tone = TONES.get(case.newest.outcome, "muted")
    if case.history.waiting:
        parts.insert(0, waiting(case))
        later = case.next_waiting is not None and case.next_waiting.mail.status in {Status.DEFERRED, Status.HELD}
        tone = "bad" if tone == "bad" else "warn" if later else "info"
    if case.suppression:
        parts.insert(0, suppressed(case.suppression, case.now))
        tone = "warn"
    return Verdict(join_sentences(parts), tone, earlier_messages(case))


def suppressed(row: Suppression, now: datetime) -> str:
    values = {"since": moment(row.since, now), "by": row.actor_name or gettext("the system")}
    values["why"] = after_colon(row.reason)
    return gettext("This address has been suppressed since %(since)s by %(by)s%(why)s. It gets no email.") % values


def waiting(case: RecipientCase) -> str:
    """Return how many messages wait, what for and until when."""
    number = len(case.history.waiting)
    first = case.next_waiting
    why, until = "", ""
    if first:
        why = first.mail.reason or reply_line(
            first.recipient.code, first.recipient.enhanced_code, first.recipient.reply
        )
        due = first.mail.next_attempt_at
        if due and due > case.now:
            until = gettext("The next attempt is at %s.") % moment(due, case.now)
    said = ngettext("%(count)s message is waiting%(why)s.", "%(count)s messages are waiting%(why)s.", number) % {
        "count": Count(number),
        "why": after_colon(" ".join(why.split())),
    }
    return join_sentences([said, until])


def accepted(case: RecipientCase) -> str:
    newest = case.newest
    attempt = newest.attempt if newest else None
    values = {
        "count": case.counted,
        "ago": naturaltime((newest.mail.finished_at or newest.mail.created_at) if newest else case.now),
        "host": case.host,
        "words": in_parentheses(reply_line(attempt.code, attempt.enhanced_code, attempt.reply)) if attempt else "",
    }
    if case.length < len(case.history.decided):
        return gettext("The newest message got through: accepted %(ago)s by %(host)s%(words)s.") % values
    return (
        ngettext(
            "Everything got through: %(count)s message accepted %(ago)s by %(host)s%(words)s.",
            "Everything got through: %(count)s messages accepted, the newest %(ago)s by %(host)s%(words)s.",
            case.length,
        )
        % values
    )


def refused(case: RecipientCase) -> str:
    """Return which server refused it, what that means, and the server's reply."""
    one = case.newest.recipient if case.newest else Recipient()
    values = {
        "count": case.counted,
        "host": case.host,
        "meaning": after_colon(explain_recipient(one, case.newest.attempt if case.newest else None).text),
        "words": in_parentheses(reply_line(one.code, one.enhanced_code, one.reply)),
    }
    return (
        ngettext(
            "The last message was refused by %(host)s%(meaning)s%(words)s.",
            "The last %(count)s messages were refused by %(host)s%(meaning)s%(words)s.",
            case.length,
        )
        % values
    )


def given_up(case: RecipientCase) -> str:
    return ngettext(
        "The last message failed%(words)s.", "The last %(count)s messages failed%(words)s.", case.length
    ) % newest_reply(case)


def uncertain(case: RecipientCase) -> str:
    sentence = gettext(
        "The newest message was sent to %s, but its final reply was lost: it may or may not have arrived."
    )
    return sentence % case.host


def left_out(case: RecipientCase) -> str:
    return ngettext(
        "The last message was not sent to it%(words)s.",
        "The last %(count)s messages were not sent to it%(words)s.",
        case.length,
    ) % newest_reply(case)


def unsent(case: RecipientCase) -> str:
    return ngettext(
        "The last message was recorded but not delivered%(words)s.",
        "The last %(count)s messages were recorded but not delivered%(words)s.",
        case.length,
    ) % newest_reply(case)


def cancelled(case: RecipientCase) -> str:
    sentence = ngettext(
        "The last message was cancelled before it was accepted.",
        "The last %(count)s messages were cancelled before they were accepted.",
        case.length,
    )
    return sentence % {"count": case.counted}


SENTENCES: dict[DeliveryOutcome, Callable[[RecipientCase], str]] = {
    DeliveryOutcome.ACCEPTED: accepted,
    DeliveryOutcome.REFUSED: refused,
    DeliveryOutcome.GIVEN_UP: given_up,
    DeliveryOutcome.UNCERTAIN: uncertain,
    DeliveryOutcome.LEFT_OUT: left_out,
    DeliveryOutcome.UNSENT: unsent,
    DeliveryOutcome.CANCELLED: cancelled,
}


def newest_reply(case: RecipientCase) -> dict[str, str]:
    """Return the count, and the reply for this recipient, else the reason of the whole newest message."""
    newest = case.newest
    one = newest.recipient if newest else Recipient()
    words = reply_line(one.code, one.enhanced_code, one.reply) or (newest.mail.reason if newest else "")
    return {"count": case.counted, "words": after_colon(" ".join(words.split()))}


def earlier_messages(case: RecipientCase) -> str:
    """Return how many earlier messages had another outcome than the newest, as a sentence, or ""."""
    before = case.history.decided[case.length :]
    missed = sum(one.outcome in MISSED for one in before)
    got = sum(one.outcome == DeliveryOutcome.ACCEPTED for one in before)
    if case.newest and case.newest.outcome != DeliveryOutcome.ACCEPTED and got:
        return ngettext(
            "Before that, %s message was accepted.", "Before that, %s messages were accepted.", got
        ) % Count(got, more=case.history.more)
    if missed:
        return ngettext(
            "Of the earlier ones, %s did not get through.", "Of the earlier ones, %s did not get through.", missed
        ) % Count(missed, more=case.history.more)
    return ""
