"""`manage.py mail_queue`: the state of the queue; retry and cancel messages, pause and resume connections."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import ngettext

from mailadmin.connections import selection
from mailadmin.delivery.status import delivery_status
from mailadmin.management.typed import parse_number, usage_error
from mailadmin.operations import control
from maillog.models import FAILURES, Status
from maillog.queue.actions import CANCELLABLE, RETRIABLE, RETRIED_BY_DEFAULT, RetryResult, Selection
from maillog.queue.waiting import connection_names, waiting_counts
from maillog.search.counts import newest_id
from secrets_app.vault import Connection

ACTIONS = ("status", "retry", "cancel", "pause", "resume")
BY = "mail_queue"


class Command(BaseCommand):
    """Exit 0: done; 1: nothing was changed; 2: wrong use."""

    help = "Show the state of the queue, retry or cancel messages, pause or resume a connection."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=ACTIONS, default="status", help="what to do (status)")
        parser.add_argument("which", nargs="*", help="retry, cancel: ids of messages; pause, resume: a connection")
        parser.add_argument("--all", action="store_true", help="retry, cancel: all waiting messages, instead of ids")
        parser.add_argument(
            "--status",
            choices=[status.value for status in RETRIABLE],
            help="with --all: only messages in this state (retry without it: deferred and held)",
        )
        parser.add_argument(
            "--connection", default="", metavar="NAME", help="with --all: only messages of this connection"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        action, which = options["action"], options["which"]
        if (options["status"] or options["connection"]) and not options["all"]:
            usage_error("--status and --connection require --all.")
        if options["all"] and action not in {"retry", "cancel"}:
            usage_error("--all can only be used with retry and cancel.")
        if action in {"pause", "resume"}:
            self.switch(action, self.connection(which), as_json=options["json"])
        elif action == "status":
            if which:
                usage_error("status takes no ids.")
            self.status(as_json=options["json"])
        else:
            statuses = RETRIED_BY_DEFAULT if action == "retry" else CANCELLABLE
            self.act(action, self.chosen(which, options, statuses), as_json=options["json"])

    # ---------------------------------------------------------------- status

    def status(self, *, as_json: bool) -> None:
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
            words += [f"{line.in_hand} in hand"] if line.in_hand else []
            self.stdout.write(f"{line.name}: {'; '.join(word for word in words if word)}")

    # ---------------------------------------------------------------- messages

    def chosen(self, which: list[str], options: dict[str, Any], statuses: tuple[Status, ...]) -> list[int] | Selection:
        """Return the messages given by id or filter. Raises CommandError for wrong use."""
        if options["all"] == bool(which):
            usage_error("Give the ids of messages, or --all.")
        if which:
            return [number(text) for text in which]
        if options["status"]:
            statuses = (Status(options["status"]),)
        name = options["connection"]
        if name and name not in connection_names():
            usage_error(f"--connection: no message used or waits for {name!r}.")
        return Selection(statuses=statuses, connection=name, up_to=newest_id())

    def act(self, action: str, which: list[int] | Selection, *, as_json: bool) -> None:
        """Retry or cancel. Raises CommandError if nothing was changed."""
        if isinstance(which, Selection) and action == "cancel" and not set(FAILURES).isdisjoint(which.statuses):
            usage_error("Failed and partly sent messages are finished; there is nothing to cancel.")
        done = control.retry(which) if action == "retry" else RetryResult(control.cancel(which, by=BY))
        word = "due now" if action == "retry" else "cancelled"
        if as_json:
            key = "due" if action == "retry" else "cancelled"
            self.stdout.write(json.dumps({key: done.due, "left": done.no_recipients_left + done.content_missing}))
        if not done.due:
            raise CommandError(f"No message is {word}. {unchanged_text(done)}".strip())
        if not as_json:
            counted = ngettext("%d message is", "%d messages are", done.due) % done.due
            self.stdout.write(f"{counted} {word}. {unchanged_text(done)}".strip())

    # ---------------------------------------------------------------- connections

    def connection(self, which: list[str]) -> Connection:
        """Return the one connection that is given. Raises CommandError."""
        if len(which) != 1:
            usage_error("Give one connection, by name or id.")
        found = control.find_connection(which[0])
        if found is None:
            names = ", ".join(one.name for one in selection.connections()) or "none"
            usage_error(f"There is no connection {which[0]!r}; known: {names}.")
        return found

    def switch(self, action: str, connection: Connection, *, as_json: bool) -> None:
        """Pause or resume; it is no error if the connection is already in that state."""
        changed = control.pause(connection, by=BY) if action == "pause" else control.resume(connection, by=BY)
        state = "paused" if action == "pause" else "open"
        if as_json:
            self.stdout.write(json.dumps({"connection": connection.name, "state": state, "changed": changed}))
        else:
            self.stdout.write(f"{connection.name} {'is' if changed else 'was already'} {state}.")


def number(text: str) -> int:
    """Return the id of a message. Raises CommandError."""
    return parse_number(text) or usage_error(f"{text!r} is not the id of a message.")


def unchanged_text(done: RetryResult) -> str:
    """Return why some failed messages were not retried, or ""."""
    parts = []
    if done.no_recipients_left:
        parts.append(f"{done.no_recipients_left} not retried: every recipient has accepted or refused it.")
    if done.content_missing:
        parts.append(f"{done.content_missing} not retried: the content is no longer stored.")
    return " ".join(parts)


def facts_of(line: control.ConnectionStatus) -> dict[str, Any]:
    return {
        "id": line.id,
        "name": line.name,
        "state": line.state.value,
        "reason": line.reason,
        "since": line.since.isoformat(timespec="seconds") if line.since else None,
        "paused_by": line.paused_by,
        "probe_at": line.probe_at.isoformat(timespec="seconds") if line.probe_at else None,
        "held": str(line.held) if line.held else "0",
        "in_hand": line.in_hand,
    }
