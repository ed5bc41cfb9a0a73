"""Incidents in words: the line, the cause, what to do. Pure, but for the time zone and the language in force."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext

from mailadmin.incidents import kinds
from mailadmin.incidents.recent_changes import likely_cause
from maillog.explanations import next_steps
from maillog.explanations.verdict import moment
from maillog.models import Incident
from maillog.text import server_reply_line

Ending = Incident.Ending


def sentence(incident: Incident, *, now: datetime | None = None) -> str:
    """Return such as “535 on relay A: 214 mails since 10:02, after revision 17 (saved by Ann at 09:58)”."""
    now = now or timezone.now()
    count = (
        ngettext("%d mail", "%d mails", incident.mail_count) % incident.mail_count
        if incident.mail_count
        else gettext("no mail yet")
    )
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


def time_span(first: datetime, last: datetime, now: datetime) -> str:
    """Return “from 10:02 to 10:31”, with the day if it is not today, and only once if it is one day."""
    if last - first < timedelta(minutes=1):
        return gettext("at %s") % moment(first, now)
    return gettext("from %(first)s to %(last)s") % {
        "first": moment(first, now),
        "last": moment(last, last if timezone.localdate(first) == timezone.localdate(last) else now),
    }


def heading(incident: Incident) -> str:
    """Return what happens and where: “535 on relay A”, or the kind in words where the server gave no code."""
    if not incident.connection:
        return str(incident.code or capfirst(kinds.label(incident.kind)))
    if incident.code:
        return gettext("%(code)s on %(connection)s") % {"code": incident.code, "connection": incident.connection}
    return f"{capfirst(kinds.label(incident.kind))} ({incident.connection})"


def cause(incident: Incident) -> str:
    """Return what the code means, e.g. “The sign-in fails” with a full stop."""
    return f"{capfirst(kinds.label(incident.kind))}."


def reply(incident: Incident) -> str:
    """Return the server's words, or ours, of the newest failure."""
    return server_reply_line(incident.code, incident.enhanced_code, incident.reply)


def steps(incident: Incident) -> list[str]:
    """Return what to do, in order."""
    code = incident.code or 0
    if incident.kind == kinds.WORKER:
        return [
            gettext("Look at the mail: something in it, or its size, ends whoever sends it."),
            gettext("Look at the log of the worker and at the machine's memory at that time."),
        ]
    if incident.kind == kinds.PROGRAM:
        return [gettext("Look at the log of the worker: it names the error. The mails are tried again by themselves.")]
    if incident.kind == kinds.UNCERTAIN:
        return [
            gettext("Ask some of the recipients whether the mails arrived."),
            gettext("The server ends the conversation late: ask whoever runs it, or give the connection more time."),
        ]
    if 400 <= code < 500:
        return [
            gettext("Nothing has to be done at once: the mails are tried again by themselves."),
            gettext("If it goes on for hours, ask whoever runs the server, with its words."),
        ]
    found = next_steps.steps_of(incident.phase, incident.code, incident.enhanced_code, incident.reply)
    if incident.is_about_connection:
        found.append(
            gettext("Save the connection, or let it be tried again in the queue: what waits then goes by itself.")
        )
    else:
        found.append(gettext("When the cause is mended, retry the mails that have failed."))
    return found


def state(incident: Incident, *, closed: bool = False, minutes: int = 15) -> str:
    """Return how far it is and what ends it."""
    now = timezone.now()
    if incident.ended_at:
        at = moment(incident.ended_at, now)
        if incident.ending == Ending.PERSON:
            return gettext("Ended at %(at)s by %(who)s.") % {"at": at, "who": incident.ended_by}
        return gettext("Ended by itself at %(at)s: %(why)s.") % {"at": at, "why": Ending(incident.ending).label}
    if closed:
        return gettext("The connection lets no mail through now. This ends by itself when mails go through again.")
    quiet = ngettext("%d minute", "%d minutes", minutes) % minutes
    if incident.recovered_at:
        return gettext("It works again since %(at)s. This ends by itself %(quiet)s after the last failure.") % {
            "at": moment(incident.recovered_at, now),
            "quiet": quiet,
        }
    if incident.is_about_connection and incident.connection:
        return gettext(
            "The connection is tried again. This ends by itself when a mail went through, and %s are quiet."
        ) % (quiet)
    return gettext("It ends by itself when nothing of the kind happens for %s.") % quiet
