"""How mail is doing: the overview's sentence, and the checklist of what a working set-up needs."""

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
    """What the page looks up once: the pulse, the configuration with the system's connection, and what is missing."""

    pulse: DeliveryStatus
    current: Configuration
    connection: Connection | None
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class MailHealth:
    """One sentence and its tone (good, warn, bad, info), with the figures behind it.

    What was sent and failed is exact, in the running hour and the 23 before it; what waits is counted up to 10,000.
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
    """One line of the checklist. `url_name` leads to where it is done; `permission` is what that page asks for."""

    title: str
    text: str
    done: bool
    url_name: str = ""
    action: str = ""
    permission: str = ""


def situation() -> Situation:
    """Look up how things are now."""
    current = effective.current()
    connection = readiness.system_connection(current)
    return Situation(status.delivery_status(), current, connection, readiness.problem_with(current, connection))


def mail_health(now: Situation, ended: Counter[str]) -> MailHealth:
    """Return the honest sentence about mail now; `ended` is how many mails ended how in 24 hours."""
    sent, failed, waiting = ended[Status.SENT], ended[Status.FAILED], count_unfinished()
    figures_line = working(sent, failed, waiting, now.pulse.waiting.oldest_seconds)
    said = verdict(now, figures_line, is_quiet=not sent and not failed, has_failed=failed > 0)
    return MailHealth(*said, sent, failed, waiting, now.pulse.waiting.oldest_seconds)


def verdict(now: Situation, working: str, *, is_quiet: bool, has_failed: bool) -> tuple[str, str, str]:
    """Return sentence, tone and advice; `working` is the sentence for when nothing is wrong."""
    if alarm := worker_alarm(now.pulse):
        return alarm
    if now.problem:
        return gettext("No mail can leave now."), "warn", ""  # the banner of every page says why
    if not effective.driver_of(now.current).delivers:
        return without_delivery(now.current), "warn", ""
    if now.pulse.waiting.held_for is not None:
        return working, "warn", gettext("Some mails are held: they wait for a connection.")
    if is_quiet:
        return gettext("Mail is set up. No mail was sent in the last 24 hours."), "info", ""
    return working, "warn" if has_failed else "good", ""


def worker_alarm(now: DeliveryStatus) -> tuple[str, str, str] | None:
    """Return sentence, tone and advice if mails wait for a worker that is not there, or that does not get through."""
    if now.no_worker and now.has_due:
        sentence = gettext("Mails wait and nobody sends them: the oldest has been due for %(age)s.") % {
            "age": age(now.waiting.due_seconds or 0)
        }
        advice = gettext("`make run` starts a worker together with the pages, `make worker` one alone.")
        return sentence, "bad", f"{now.no_worker_text} {advice}"
    if now.is_late:
        sentence = gettext("Mails are late: the oldest has been due for %(age)s.") % {
            "age": age(now.waiting.due_seconds or 0)
        }
        advice = gettext("A worker runs but does not get through. The queue shows what waits, the worker's log why.")
        return sentence, "bad", advice
    if now.no_worker and now.has_waiting:
        advice = gettext("`make worker` starts one; until then nothing that waits is tried again.")
        return gettext("Mails wait, and there is no worker."), "warn", f"{now.no_worker_text} {advice}"
    return None


def without_delivery(current: Configuration) -> str:
    """Return the sentence for a driver that delivers nothing."""
    sentences = {
        "log": gettext("Mails are not delivered: the driver “log” writes them to a file."),
        "silent": gettext("Mails are not delivered: the driver “silent” only records them."),
        "disabled": gettext("Mail is switched off: the driver “disabled” sends nothing."),
    }
    return sentences.get(str(current.driver), gettext("Mails take the driver “%s”.") % current.driver)


def working(sent: int, failed: int, waiting: int, oldest_seconds: float | None) -> str:
    """Return a sentence such as “Mail is working: 1,204 sent in 24 h, 3 failed, none waiting.”, of these figures."""
    parts = [gettext("%s sent in 24 h") % intcomma(sent), gettext("%s failed") % intcomma(failed)]
    if not waiting:
        parts.append(gettext("none waiting"))
    elif oldest_seconds is None:
        parts.append(gettext("%s on their way") % capped(waiting))
    else:
        parts.append(
            gettext("%(count)s waiting, the oldest for %(age)s")
            % {"count": capped(waiting), "age": age(oldest_seconds)}
        )
    head = gettext("Mail is working") if sent else gettext("Mail is not getting through")
    return f"{head}: {', '.join(parts)}."


def capped(count: int) -> str:
    """Return the number with separators; counting stops at 10,000."""
    return f"{intcomma(10_000)}+" if count > 10_000 else str(intcomma(count))


def checklist(now: Situation) -> list[Step]:
    """Return what a working set-up needs, in the order in which it is done."""
    current, connection = now.current, now.connection
    driver = effective.driver_of(current)
    sender = str(current.from_address) or (str(connection.fields["sender"]) if connection else "")
    tested = lookup.has_finished_test(undelivered_too=not driver.delivers)
    return [
        Step(gettext("Make the first administrator"), gettext("You are signed in."), done=True),
        Step(
            gettext("Store an SMTP connection"),
            connection_text(connection, driver=driver),
            done=connection is not None or not driver.needs_connection,
            url_name="secrets_app:list",
            action=gettext("Add a connection"),
            permission="secrets_app.use_secrets",
        ),
        Step(
            gettext("Say who mails come from"),
            gettext("Mails come from %s.") % sender if sender else gettext("The From name and address."),
            done=bool(sender),
            url_name="mailadmin:settings",
            action=gettext("Set the From address"),
            permission="mailadmin.configure_mail",
        ),
        Step(
            gettext("Send a test mail"),
            test_text(is_done=tested, is_delivered=driver.delivers),
            done=tested,
            url_name="mailadmin:test",
            action=gettext("Send a test mail"),
            permission="mailadmin.send_test",
        ),
    ]


def connection_text(connection: Connection | None, *, driver: Driver) -> str:
    """Return what the checklist says of the connection in use."""
    if not driver.needs_connection:
        return gettext("Not needed: the driver in force is “%s”.") % driver.label
    if connection:
        return gettext("In use: %s.") % connection.name
    return gettext("Host, port, TLS, user and password of the server that takes your mails.")


def test_text(*, is_done: bool, is_delivered: bool) -> str:
    """Return what the checklist says of the test mail."""
    if not is_done:
        return gettext("It takes the same way as every other mail, and shows what the server says.")
    return gettext("A server accepted one.") if is_delivered else gettext("One was recorded, and not delivered.")
