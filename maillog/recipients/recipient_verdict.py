"""Whether mail reaches an address, in a few sentences. Pure: it only reads what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils.translation import gettext, ngettext

from maillog.explanations.refusals import meaning
from maillog.explanations.verdict import Verdict, bracketed, colon, joined, moment, reply_line
from maillog.models import Recipient, Status, Suppression
from maillog.recipients.history import Delivery, Fate, History
from maillog.search.counts import Count

MISSED = frozenset({Fate.REFUSED, Fate.GIVEN_UP, Fate.UNCERTAIN, Fate.LEFT_OUT})
TONES = {
    Fate.ACCEPTED: "good",
    Fate.REFUSED: "bad",
    Fate.GIVEN_UP: "bad",
    Fate.UNCERTAIN: "warn",
    Fate.LEFT_OUT: "warn",
    Fate.UNSENT: "info",
}


@dataclass(frozen=True, slots=True)
class PersonCase:
    """What a verdict is about. `newest`: of the mails that have ended; `next_waiting`: of those that wait."""

    history: History
    newest: Delivery | None
    next_waiting: Delivery | None
    suppression: Suppression | None
    now: datetime

    @property
    def length(self) -> int:
        """Return how many mails, one after the other, ended like the newest."""
        return len(self.history.streak)

    @property
    def counted(self) -> str:
        """Return that number in words, "1,000+" if there may be more."""
        return str(Count(self.length, more=self.history.more and self.length == len(self.history.decided)))

    @property
    def host(self) -> str:
        """Return the server that had the newest mail."""
        attempt = self.newest.attempt if self.newest else None
        return attempt.host if attempt and attempt.host else gettext("the server")


def person_verdict(case: PersonCase) -> Verdict:
    """Return the verdict: suppressed, what waits, how the newest mails ended, in this order."""
    parts: list[str] = []
    tone = "muted"
    if not case.history.seen:
        parts.append(gettext("No mail in the log was ever addressed to it."))
    if case.newest:
        if not (case.suppression and case.newest.fate == Fate.LEFT_OUT):  # it would say the same again
            parts.append(ENDINGS[case.newest.fate](case))
        tone = TONES.get(case.newest.fate, "muted")
    if case.history.waiting:
        parts.insert(0, waiting(case))
        later = case.next_waiting is not None and case.next_waiting.mail.status in {Status.DEFERRED, Status.HELD}
        tone = "bad" if tone == "bad" else "warn" if later else "info"
    if case.suppression:
        parts.insert(0, suppressed(case.suppression, case.now))
        tone = "warn"
    return Verdict(joined(parts), tone, earlier(case))


def suppressed(row: Suppression, now: datetime) -> str:
    """Say that it gets nothing."""
    values = {"since": moment(row.since, now), "by": row.actor_name or gettext("the system")}
    values["why"] = colon(row.reason)
    return gettext("This address is suppressed since %(since)s by %(by)s%(why)s. It gets no mail.") % values


def waiting(case: PersonCase) -> str:
    """Say how many wait, what for and until when."""
    number = len(case.history.waiting)
    first = case.next_waiting
    why, until = "", ""
    if first:
        why = first.mail.reason or reply_line(
            first.recipient.code, first.recipient.enhanced_code, first.recipient.reply
        )
        due = first.mail.next_attempt_at
        if due and due > case.now:
            until = gettext("The next try is at %s.") % moment(due, case.now)
    said = ngettext("%(count)s mail waits%(why)s.", "%(count)s mails wait%(why)s.", number) % {
        "count": Count(number),
        "why": colon(" ".join(why.split())),
    }
    return joined([said, until])


def accepted(case: PersonCase) -> str:
    """Say who has got it, and when."""
    newest = case.newest
    attempt = newest.attempt if newest else None
    values = {
        "count": case.counted,
        "ago": naturaltime((newest.mail.finished_at or newest.mail.created_at) if newest else case.now),
        "host": case.host,
        "words": bracketed(reply_line(attempt.code, attempt.enhanced_code, attempt.reply)) if attempt else "",
    }
    if case.length < len(case.history.decided):
        return gettext("The newest mail got through: accepted %(ago)s by %(host)s%(words)s.") % values
    return (
        ngettext(
            "Everything got through: %(count)s mail accepted %(ago)s by %(host)s%(words)s.",
            "Everything got through: %(count)s mails accepted, the newest %(ago)s by %(host)s%(words)s.",
            case.length,
        )
        % values
    )


def refused(case: PersonCase) -> str:
    """Say who refused it, what that means, and the server's words."""
    one = case.newest.recipient if case.newest else Recipient()
    values = {
        "count": case.counted,
        "host": case.host,
        "meaning": colon(meaning(one.code, one.enhanced_code, one.reply)),
        "words": bracketed(reply_line(one.code, one.enhanced_code, one.reply)),
    }
    return (
        ngettext(
            "The last mail was refused by %(host)s%(meaning)s%(words)s.",
            "The last %(count)s mails were refused by %(host)s%(meaning)s%(words)s.",
            case.length,
        )
        % values
    )


def given_up(case: PersonCase) -> str:
    """Say what stopped it at last."""
    return ngettext(
        "The last mail was given up%(words)s.", "The last %(count)s mails were given up%(words)s.", case.length
    ) % said_of_newest(case)


def uncertain(case: PersonCase) -> str:
    """Say that nobody knows."""
    sentence = gettext("The newest mail was handed to %s, but its answer was lost: it may have arrived or not.")
    return sentence % case.host


def left_out(case: PersonCase) -> str:
    """Say why nobody tried."""
    return ngettext(
        "The last mail was not sent to it%(words)s.",
        "The last %(count)s mails were not sent to it%(words)s.",
        case.length,
    ) % said_of_newest(case)


def unsent(case: PersonCase) -> str:
    """Say that the driver sends nothing."""
    return ngettext(
        "The last mail was recorded, but sent to nobody%(words)s.",
        "The last %(count)s mails were recorded, but sent to nobody%(words)s.",
        case.length,
    ) % said_of_newest(case)


def cancelled(case: PersonCase) -> str:
    """Say that somebody stopped it."""
    sentence = ngettext(
        "The last mail was cancelled before it was accepted.",
        "The last %(count)s mails were cancelled before they were accepted.",
        case.length,
    )
    return sentence % {"count": case.counted}


ENDINGS: dict[Fate, Callable[[PersonCase], str]] = {
    Fate.ACCEPTED: accepted,
    Fate.REFUSED: refused,
    Fate.GIVEN_UP: given_up,
    Fate.UNCERTAIN: uncertain,
    Fate.LEFT_OUT: left_out,
    Fate.UNSENT: unsent,
    Fate.CANCELLED: cancelled,
}


def said_of_newest(case: PersonCase) -> dict[str, str]:
    """Return the count, and the words about this recipient, else about the newest mail as a whole."""
    newest = case.newest
    one = newest.recipient if newest else Recipient()
    words = reply_line(one.code, one.enhanced_code, one.reply) or (newest.mail.reason if newest else "")
    return {"count": case.counted, "words": colon(" ".join(words.split()))}


def earlier(case: PersonCase) -> str:
    """Say how many of the earlier mails did not get through, where the newest ended otherwise."""
    before = case.history.decided[case.length :]
    missed = sum(one.fate in MISSED for one in before)
    got = sum(one.fate == Fate.ACCEPTED for one in before)
    if case.newest and case.newest.fate != Fate.ACCEPTED and got:
        return ngettext("Before that, %s mail was accepted.", "Before that, %s mails were accepted.", got) % Count(
            got, more=case.history.more
        )
    if missed:
        return ngettext(
            "Of the earlier ones, %s did not get through.", "Of the earlier ones, %s did not get through.", missed
        ) % Count(missed, more=case.history.more)
    return ""
