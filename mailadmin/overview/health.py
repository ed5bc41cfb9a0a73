"""Whether mail works: the overview's verdict, and the set-up checklist."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext

from mailadmin.configuration import effective
from mailadmin.connections import readiness
from mailadmin.delivery import status
from mailadmin.delivery.status import DeliveryStatus
from maillog import lookup
from maillog.durations import age
from maillog.models import Status
from maillog.search.counts import count_unfinished

if TYPE_CHECKING:
    from mailadmin.configuration.effective import Configuration
    from mailadmin.connections.readiness import Problem
    from mailadmin.drivers.base import Driver
    from secrets_app.vault import Connection


@dataclass(frozen=True, slots=True)
class Situation:
    """What the page looks up once: delivery, the configuration with the system's connection, and what is missing."""

    delivery: DeliveryStatus
    current: Configuration
    connection: Connection | None
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class MailHealth:
    """The verdict, its tone (good, warn, bad, info), and the numbers behind it.

    `sent` and `failed` are exact, for the current hour and the 23 before it; `waiting` is counted up to 10,000.
    """

    sentence: str
    tone: str
    advice: str
    sent: int
    failed: int
    waiting: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the checklist. `url_name` is the page where it is done, `permission` what that page requires."""

    title: str
    text: str
    done: bool
    url_name: str = ""
    action: str = ""
    permission: str = ""


def situation() -> Situation:
    current = effective.current()
    connection = readiness.system_connection(current)
    return Situation(status.delivery_status(), current, connection, readiness.problem_with(current, connection))


def mail_health(now: Situation, ended: Counter[str]) -> MailHealth:
    """Return the state of mail now; `ended` counts the messages of the last 24 hours by final status."""
    sent, failed, waiting = ended[Status.SENT], ended[Status.FAILED], count_unfinished()
    summary = working_text(sent, failed, waiting, now.delivery.waiting.oldest_seconds)
    found = verdict(now, summary, is_quiet=not sent and not failed, has_failed=failed > 0)
    return MailHealth(*found, sent, failed, waiting, now.delivery.waiting.oldest_seconds)


def verdict(now: Situation, summary: str, *, is_quiet: bool, has_failed: bool) -> tuple[str, str, str]:
    """Return sentence, tone and advice; `summary` is the sentence if nothing is wrong."""
    if problem := worker_problem(now.delivery):
        return problem
    if now.problem:
        return gettext("Mail can't be sent right now."), "warn", ""  # the banner on every page says why
    driver = effective.driver_of(now.current)
    if not driver.delivers:
        return str(driver.undelivered_notice) or gettext("Messages are not delivered."), "warn", ""
    if now.delivery.waiting.held_reason is not None:
        return summary, "warn", gettext("Some messages are held until their connection is open.")
    if is_quiet:
        return gettext("Mail is set up. No messages were sent in the last 24 hours."), "info", ""
    return summary, "warn" if has_failed else "good", ""


def worker_problem(now: DeliveryStatus) -> tuple[str, str, str] | None:
    """Return sentence, tone and advice if no worker runs, or if messages are late."""
    if now.no_worker and now.has_due:
        sentence = gettext(
            "Email is queued, but no worker is running. The oldest message has been due for %(age)s."
        ) % {"age": age(now.waiting.due_seconds or 0)}
        advice = gettext("Start one with `make worker`; `make run` starts the web server and a worker.")
        return sentence, "bad", f"{now.no_worker_text} {advice}"
    if now.is_late:
        sentence = gettext("Email is late: the oldest message has been due for %(age)s.") % {
            "age": age(now.waiting.due_seconds or 0)
        }
        advice = gettext("A worker is running but cannot keep up. Check the queue, and the worker's log for errors.")
        return sentence, "bad", advice
    if now.no_worker and now.has_waiting:
        advice = gettext("Start one with `make worker`. Until then, waiting messages are not retried.")
        return gettext("Messages are waiting, but no worker is running."), "warn", f"{now.no_worker_text} {advice}"
    return None


def working_text(sent: int, failed: int, waiting: int, oldest_seconds: float | None) -> str:
    """Return a sentence such as “Mail is working: 1,204 sent in 24 h, 3 failed, none waiting.”."""
    parts = [gettext("%s sent in 24 h") % intcomma(sent), gettext("%s failed") % intcomma(failed)]
    if not waiting:
        parts.append(gettext("none waiting"))
    elif oldest_seconds is None:
        parts.append(gettext("%s being sent") % capped(waiting))
    else:
        parts.append(
            gettext("%(count)s waiting, the oldest for %(age)s")
            % {"count": capped(waiting), "age": age(oldest_seconds)}
        )
    head = gettext("Mail is working") if sent else gettext("Mail is not being delivered")
    return f"{head}: {', '.join(parts)}."


def capped(count: int) -> str:
    """Format a count that stops at 10,000."""
    return f"{intcomma(10_000)}+" if count > 10_000 else str(intcomma(count))


def checklist(now: Situation) -> list[Step]:
    """Return the steps of the set-up, in order."""
    current, connection = now.current, now.connection
    driver = effective.driver_of(current)
    sender = str(current.from_address) or (connection.sender if connection else "")
    tested = lookup.has_finished_test(undelivered_too=not driver.delivers)
    return [
        Step(gettext("Create the first administrator"), gettext("You are signed in."), done=True),
        Step(
            gettext("Add a connection"),
            connection_text(connection, driver=driver),
            done=connection is not None or not driver.needs_connection,
            url_name="secrets_app:list",
            action=gettext("Add a connection"),
            permission="secrets_app.use_secrets",
        ),
        Step(
            gettext("Set the sender"),
            gettext("Messages are sent from %s.") % sender if sender else gettext("The From name and address."),
            done=bool(sender),
            url_name="mailadmin:settings",
            action=gettext("Set the From address"),
            permission="mailadmin.configure_mail",
        ),
        Step(
            gettext("Send a test email"),
            test_text(is_done=tested, is_delivered=driver.delivers),
            done=tested,
            url_name="mailadmin:test",
            action=gettext("Send a test email"),
            permission="mailadmin.send_test",
        ),
    ]


def connection_text(connection: Connection | None, *, driver: Driver) -> str:
    """Return the checklist's text about the connection."""
    if not driver.needs_connection:
        return gettext("Not needed with the driver “%s”.") % driver.label
    if connection:
        return gettext("In use: %s.") % connection.name
    return gettext("Host, port, TLS, user name and password of your mail server.")


def test_text(*, is_done: bool, is_delivered: bool) -> str:
    """Return the checklist's text about the test email."""
    if not is_done:
        return gettext("It is sent like every other message, and shows the server's reply.")
    return gettext("A server accepted one.") if is_delivered else gettext("One was recorded but not delivered.")
