"""`manage.py mail_queue`: what waits; retry and cancel mails, pause and resume connections."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import ngettext

from mailadmin.delivery.status import delivery_status
from mailadmin.management.typed import parse_number, usage_error
from mailadmin.operations import control
from maillog.models import Status
from maillog.queue.actions import CANCELLABLE, RETRIABLE, RETRIED_BY_DEFAULT, RetryResult, Selection
from maillog.queue.waiting import connection_names, waiting_counts
from maillog.search.counts import newest_id
from secrets_app import vault
from secrets_app.vault import Connection

ACTIONS = ("status", "retry", "cancel", "pause", "resume")
BY = "mail_queue"


class Command(BaseCommand):
    """Exit 0: done; 1: nothing was touched; 2: wrong use."""

    help = "Show what waits, retry or cancel mails, pause or resume a connection."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("action", nargs="?", choices=ACTIONS, default="status", help="what to do (status)")
        parser.add_argument("which", nargs="*", help="retry, cancel: numbers of mails; pause, resume: a connection")
        parser.add_argument("--all", action="store_true", help="retry, cancel: all that wait, instead of numbers")
        parser.add_argument(
            "--status",
            choices=[status.value for status in RETRIABLE],
            help="with --all: only mails in this state (retry without it: deferred and held)",
        )
        parser.add_argument(
            "--connection", default="", metavar="NAME", help="with --all: only mails of this connection"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say how many mails it touched."""
        action, which = options["action"], options["which"]
        if (options["status"] or options["connection"]) and not options["all"]:
            usage_error("--status and --connection go with --all.")
        if options["all"] and action not in {"retry", "cancel"}:
            usage_error("--all goes with retry and cancel.")
        if action in {"pause", "resume"}:
            self.switch(action, self.connection(which), as_json=options["json"])
        elif action == "status":
            if which:
                usage_error("status takes no numbers.")
            self.status(as_json=options["json"])
        else:
            statuses = RETRIED_BY_DEFAULT if action == "retry" else CANCELLABLE
            self.act(action, self.chosen(which, options, statuses), as_json=options["json"])

    # ---------------------------------------------------------------- status

    def status(self, *, as_json: bool) -> None:
        """Print workers, counts and connections."""
        now, counts, lines = delivery_status(), waiting_counts(), control.connection_statuses()
        if as_json:
            facts = {
                "workers": {"alive": now.workers.alive, "seen_seconds_ago": now.workers.seen_seconds_ago},
                "oldest_due_seconds": now.waiting.due_seconds,
                "oldest_waiting_seconds": now.waiting.oldest_seconds,
                "counts": {name: {"value": count.value, "more": count.more} for name, count in counts.items()},
                "connections": [facts_of(line) for line in lines],
            }
            self.stdout.write(json.dumps(facts, indent=2))
            return
        self.stdout.write(f"{now.workers_text}; {now.waiting_text}.")
        self.stdout.write(", ".join(f"{count} {name}" for name, count in counts.items()))
        for line in lines:
            words = [str(line.state.label), line.reason, f"{line.held} held" if line.held else ""]
            self.stdout.write(f"{line.name}: {'; '.join(word for word in words if word)}")

    # ---------------------------------------------------------------- mails

    def chosen(self, which: list[str], options: dict[str, Any], statuses: tuple[Status, ...]) -> list[int] | Selection:
        """Return the mails that are meant. Raises CommandError for wrong use."""
        if options["all"] == bool(which):
            usage_error("Name mails by their numbers, or all that wait by --all.")
        if which:
            return [number(text) for text in which]
        if options["status"]:
            statuses = (Status(options["status"]),)
        name = options["connection"]
        if name and name not in connection_names():
            usage_error(f"--connection: no mail took or waits for {name!r}.")
        return Selection(statuses=statuses, connection=name, up_to=newest_id())

    def act(self, action: str, which: list[int] | Selection, *, as_json: bool) -> None:
        """Retry or cancel. Raises CommandError if nothing was touched."""
        if isinstance(which, Selection) and action == "cancel" and Status.FAILED in which.statuses:
            usage_error("A failed mail has ended; there is nothing to cancel.")
        done = control.retry(which) if action == "retry" else RetryResult(control.cancel(which, by=BY))
        word = "due now" if action == "retry" else "cancelled"
        if as_json:
            key = "due" if action == "retry" else "cancelled"
            self.stdout.write(json.dumps({key: done.due, "left": done.nobody_left + done.content_gone}))
        if not done.due:
            raise CommandError(f"No mail is {word}. {left_text(done)}".strip())
        if not as_json:
            counted = ngettext("%d mail is", "%d mails are", done.due) % done.due
            self.stdout.write(f"{counted} {word}. {left_text(done)}".strip())

    # ---------------------------------------------------------------- connections

    def connection(self, which: list[str]) -> Connection:
        """Return the one connection that is named. Raises CommandError."""
        if len(which) != 1:
            usage_error("Name one connection, by its name or id.")
        found = control.find_connection(which[0])
        if found is None:
            names = ", ".join(one.name for one in vault.connections()) or "none"
            usage_error(f"There is no connection {which[0]!r}; known: {names}.")
        return found

    def switch(self, action: str, connection: Connection, *, as_json: bool) -> None:
        """Pause or resume; done already is done, too."""
        changed = control.pause(connection, by=BY) if action == "pause" else control.resume(connection)
        state = "paused" if action == "pause" else "open"
        if as_json:
            self.stdout.write(json.dumps({"connection": connection.name, "state": state, "changed": changed}))
        else:
            self.stdout.write(f"{connection.name} {'is' if changed else 'was already'} {state}.")


def number(text: str) -> int:
    """Return the number of a mail. Raises CommandError."""
    return parse_number(text) or usage_error(f"{text!r} is not the number of a mail.")


def left_text(done: RetryResult) -> str:
    """Return why some failed mails are left as they are, or nothing."""
    parts = []
    if done.nobody_left:
        parts.append(f"{done.nobody_left} left: every recipient has accepted or refused it.")
    if done.content_gone:
        parts.append(f"{done.content_gone} left: what it said is not kept any more.")
    return " ".join(parts)


def facts_of(line: control.ConnectionStatus) -> dict[str, Any]:
    """Return what JSON says of a connection."""
    return {
        "id": line.id,
        "name": line.name,
        "state": line.state.value,
        "reason": line.reason,
        "since": line.since.isoformat(timespec="seconds") if line.since else None,
        "paused_by": line.paused_by,
        "probe_at": line.probe_at.isoformat(timespec="seconds") if line.probe_at else None,
        "held": str(line.held) if line.held else "0",
    }
