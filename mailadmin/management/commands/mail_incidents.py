"""`manage.py mail_incidents`: list and end incidents, retry their messages."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import ngettext

from mailadmin.incidents import detection, texts
from mailadmin.management.typed import parse_number, usage_error
from mailadmin.models import BulkAction
from mailadmin.operations import bulk, control
from maillog.models import Incident
from maillog.queue.actions import RetryResult
from maillog.search import counts

ACTIONS = ("list", "end", "retry")
BY = "mail_incidents"
NEWEST = 50
BATCH = 500


class Command(BaseCommand):
    """Exit 0: done; 1: nothing was changed; 2: wrong use."""

    help = "List incidents, end them, or retry their messages."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=ACTIONS, default="list", help="what to do (list)")
        parser.add_argument("which", nargs="*", help="end, retry: ids of incidents")
        parser.add_argument("--all", action="store_true", help=f"list: include the newest {NEWEST} that have ended")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        action, which, as_json = options["action"], options["which"], options["json"]
        if action == "list":
            if which:
                usage_error("list takes no ids.")
            self.show(with_ended=options["all"], as_json=as_json)
            return
        if options["all"]:
            usage_error("--all goes with list.")
        chosen = [existing(text) for text in which] or usage_error(f"{action}: give the ids of incidents.")
        (self.end if action == "end" else self.retry)(chosen, as_json=as_json)

    def show(self, *, with_ended: bool, as_json: bool) -> None:
        found = list(Incident.objects.filter(state=Incident.State.OPEN).order_by("-id"))
        if with_ended:
            found += Incident.objects.filter(state=Incident.State.ENDED).order_by("-id")[:NEWEST]
        if as_json:
            self.stdout.write(json.dumps([facts(one) for one in found], indent=2))
            return
        if not found:
            self.stdout.write("There are no open incidents.")
        for one in found:
            self.stdout.write(f"{one.pk}  {one.state}  {texts.sentence(one)}")
            self.stdout.write(f"    {texts.reply(one) or texts.cause(one)}")

    def end(self, chosen: list[Incident], *, as_json: bool) -> None:
        """End incidents. Raises CommandError if all had ended."""
        ended = [one.pk for one in chosen if detection.end(one, by=BY)]
        if as_json:
            self.stdout.write(json.dumps({"ended": ended}))
        if not ended:
            raise CommandError("Nothing was ended: all of them had already ended.")
        if not as_json:
            self.stdout.write(f"Ended: {', '.join(map(str, ended))}.")

    def retry(self, chosen: list[Incident], *, as_json: bool) -> None:
        """Retry the messages of incidents. Raises CommandError if none can be retried."""
        due = left = 0
        up_to = counts.newest_id()
        for one in chosen:
            done = retry_mails(one, up_to)
            due += done.due
            left += done.no_recipients_left + done.content_missing
        if as_json:
            self.stdout.write(json.dumps({"due": due, "left": left}))
        if not due:
            raise CommandError("No message can be retried.")
        if not as_json:
            self.stdout.write(ngettext("%d message is due now.", "%d messages are due now.", due) % due)


def retry_mails(incident: Incident, up_to: int) -> RetryResult:
    """Retry the incident's messages in batches, oldest first."""
    found = bulk.targets(BulkAction.Action.RETRY, query=f"q=incident%3A{incident.pk}", up_to=up_to)
    due = no_recipients_left = content_missing = last = 0
    while ids := [mail.pk for mail in found.oldest(BATCH, after=last)]:
        done = control.retry(ids)
        due, no_recipients_left = due + done.due, no_recipients_left + done.no_recipients_left
        content_missing += done.content_missing
        last = ids[-1]
    return RetryResult(due, no_recipients_left, content_missing)


def existing(text: str) -> Incident:
    """Return the incident with that id. Raises CommandError."""
    found = Incident.objects.exclude(state=Incident.State.PENDING).filter(pk=parse_number(text) or 0).first()
    return found or usage_error(f"There is no incident {text!r}.")


def facts(one: Incident) -> dict[str, Any]:
    return {
        "id": one.pk,
        "state": one.state,
        "sentence": texts.sentence(one),
        "connection": one.connection,
        "kind": one.kind,
        "code": one.code,
        "reply": texts.reply(one),
        "mail_count": one.mail_count,
        "first_at": one.first_at.isoformat(timespec="seconds"),
        "last_at": one.last_at.isoformat(timespec="seconds"),
        "ended_at": one.ended_at.isoformat(timespec="seconds") if one.ended_at else None,
        "ending": one.ending,
        "ended_by": one.ended_by,
        "recent_changes": one.recent_changes,
    }
