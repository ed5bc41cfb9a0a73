"""Texts about incidents: sentence, cause, next steps. Pure, except for the active time zone and language."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext

from mailadmin.incidents import kinds
from mailadmin.incidents.recent_changes import likely_cause
from maillog.explanations.explanation import Explanation, explain
from maillog.explanations.verdict import moment
from maillog.models import Incident
from maillog.text import server_reply_line

Ending = Incident.Ending


def sentence(incident: Incident, *, now: datetime | None = None) -> str:
    """Return text such as “535 on relay A: 214 messages since 10:02, after revision 17 (Ann, 09:58)”."""
    now = now or timezone.now()
    if waiting := waiting_for_limit(incident, now):
        return waiting
    count = counted(incident)
    if incident.ended_at:
        span = time_span(incident.first_at, incident.last_at, now)
    else:
        span = gettext("since %s") % moment(incident.first_at, now)
    line = f"{heading(incident)}: {count} {span}"
    change = likely_cause(incident.recent_changes, incident.first_at)
    if change is None:
        return line
    return gettext("%(line)s, after %(change)s (%(who)s, %(at)s)") % {
        "line": line,
        "change": change.short,
        "who": change.by,
        "at": moment(change.at, now),
    }


def waiting_for_limit(incident: Incident, now: datetime) -> str:
    """Return “Sending limit of relay A reached: 88 messages wait until 10:00”, "" for another kind or if it ended."""
    until, number = incident.waits_until, incident.mail_count
    if incident.ended_at or until is None or not kinds.is_limit(incident.kind):
        return ""
    if until <= now:
        return gettext("%(what)s: sending is being tried again") % {"what": heading(incident)}
    values = {"what": heading(incident), "at": moment(until, now)}
    if not number:
        return gettext("%(what)s: messages wait until %(at)s") % values
    text = ngettext(
        "%(what)s: %(count)d message waits until %(at)s", "%(what)s: %(count)d messages wait until %(at)s", number
    )
    return text % {**values, "count": number}


def counted(incident: Incident) -> str:
    """Return how many messages are affected, and whether they failed or are retried."""
    number = incident.mail_count
    if not number:
        return gettext("no message yet")
    if kinds.is_temporary(incident.kind):
        return ngettext("%d message deferred", "%d messages deferred", number) % number
    if incident.is_about_connection or incident.kind == kinds.UNCERTAIN:
        return ngettext("%d message", "%d messages", number) % number
    return ngettext("%d message failed", "%d messages failed", number) % number


def time_span(first: datetime, last: datetime, now: datetime) -> str:
    """Return “from 10:02 to 10:31”, with the day if it is not today, and only once if both are on one day."""
    if last - first < timedelta(minutes=1):
        return gettext("at %s") % moment(first, now)
    return gettext("from %(first)s to %(last)s") % {
        "first": moment(first, now),
        "last": moment(last, last if timezone.localdate(first) == timezone.localdate(last) else now),
    }


def heading(incident: Incident) -> str:
    """Return what fails and where: “535 on relay A”, or the label of the kind if the server gave no code."""
    if incident.kind == "sending-limit" and incident.connection:
        return gettext("Sending limit of %s reached") % incident.connection
    if not incident.connection:
        return str(incident.code or capfirst(kinds.label(incident.kind)))
    if incident.code and not kinds.is_limit(incident.kind):
        return gettext("%(code)s on %(connection)s") % {"code": incident.code, "connection": incident.connection}
    return f"{capfirst(kinds.label(incident.kind))} ({incident.connection})"


def cause(incident: Incident) -> str:
    """Return the label of the kind as a sentence."""
    return f"{capfirst(kinds.label(incident.kind))}."


def reply(incident: Incident) -> str:
    """Return the server's reply, or our own error text, of the newest failure."""
    return server_reply_line(incident.code, incident.enhanced_code, incident.reply)


def steps(incident: Incident) -> list[str]:
    """Return what to do, in order."""
    if incident.kind == kinds.WORKER:
        return [
            gettext("Check the message: its content or its size may crash the worker."),
            gettext("Check the worker's log and the machine's memory use at that time."),
        ]
    if incident.kind == kinds.PROGRAM:
        return [gettext("Check the worker's log for the error. The messages are retried automatically.")]
    if incident.kind == kinds.UNCERTAIN:
        return [
            gettext("Ask some of the recipients whether the messages arrived."),
            gettext("The server replies late. Contact its operator, or increase the timeout of the connection."),
        ]
    if kinds.is_temporary(incident.kind):
        return [
            gettext("No immediate action is needed: the messages are retried automatically."),
            gettext("If it continues for hours, contact the operator of the server and quote its reply."),
        ]
    found = list(explanation(incident).steps)
    if incident.is_about_connection:
        found.append(
            gettext("Save the connection, or probe it on the queue page. Held messages are then sent automatically.")
        )
    else:
        found.append(gettext("When the cause is fixed, retry the failed messages."))
    return found


def explanation(incident: Incident) -> Explanation:
    """Return the explanation of its newest failure."""
    key = incident.kind.removesuffix(kinds.LATER)
    fault = "" if incident.code else key
    return explain(incident.phase, incident.code, incident.enhanced_code, incident.reply, fault=fault)


def state(incident: Incident, *, closed: bool = False, minutes: int = 15) -> str:
    """Return the state of the incident and what ends it."""
    now = timezone.now()
    if incident.ended_at:
        at = moment(incident.ended_at, now)
        if incident.ending == Ending.PERSON:
            return gettext("Ended at %(at)s by %(who)s.") % {"at": at, "who": incident.ended_by}
        return gettext("Ended automatically at %(at)s: %(why)s.") % {"at": at, "why": Ending(incident.ending).label}
    if closed:
        return gettext("The connection is closed. The incident ends automatically when messages are delivered again.")
    quiet = ngettext("%d minute", "%d minutes", minutes) % minutes
    if incident.recovered_at:
        return gettext(
            "It has worked since %(at)s. The incident ends automatically %(quiet)s after the last failure."
        ) % {
            "at": moment(incident.recovered_at, now),
            "quiet": quiet,
        }
    if incident.is_about_connection and incident.connection:
        return (
            gettext(
                "The connection is being retried. The incident ends automatically once a message was delivered "
                "and %s have passed without a failure."
            )
            % quiet
        )
    return gettext("The incident ends automatically after %s without such a failure.") % quiet
