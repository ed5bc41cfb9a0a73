"""`manage.py suppressions`: list, add and remove suppressed addresses."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mailadmin.management.typed import usage_error
from mailadmin.message.addresses import AddressError
from mailadmin.message.headers import HeaderError, check_text
from mailadmin.operations.recipient_forms import normalized_address
from maillog import suppressions
from maillog.models import Suppression

ACTIONS = ("list", "add", "remove")
BY = "suppressions"


class Command(BaseCommand):
    """Exit 0: done; 1: nothing was changed; 2: wrong use."""

    help = "List, add or remove addresses that receive no email."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=ACTIONS, default="list", help="what to do (list)")
        parser.add_argument("address", nargs="?", default="", help="list: only this address; add, remove: the address")
        parser.add_argument(
            "--reason", default="", help="add: the reason, shown with every message that skips the address"
        )
        parser.add_argument("--json", action="store_true", help="print JSON; list: one object per line")

    def handle(self, *args: Any, **options: Any) -> None:
        action, as_json = options["action"], options["json"]
        if options["reason"] and action != "add":
            usage_error("--reason can only be used with add.")
        if not options["address"] and action != "list":
            usage_error(f"{action} requires an address.")
        address = options["address"] and address_in(options["address"])
        if action == "list":
            for row in listed(address):
                self.stdout.write(json.dumps(facts_of(row)) if as_json else line_of(row))
            return
        row = add(address, options["reason"]) if action == "add" else remove(address)
        words = "is suppressed" if action == "add" else "can receive email again"
        self.stdout.write(json.dumps(facts_of(row)) if as_json else f"{address} {words}.")


def listed(address: str) -> Iterator[Suppression]:
    """Yield the suppressions in force, newest first; only that of `address`, if given."""
    if not address:
        yield from suppressions.all_in_force().iterator()
    elif row := suppressions.in_force(address):
        yield row


def add(address: str, reason: str) -> Suppression:
    """Suppress `address`. Raises CommandError if it already is, or if the reason is not one line."""
    try:
        text = check_text(reason, field="reason", max_length=200)
    except HeaderError as error:
        usage_error(f"--reason {error.reason}.")
    row, is_new = suppressions.suppress(address, by=None, by_name=BY, reason=text)
    if not is_new:
        message = f"{address} is already suppressed."
        raise CommandError(message)
    return row


def remove(address: str) -> Suppression:
    """Lift the suppression of `address`. Raises CommandError if there is none."""
    row = suppressions.in_force(address)
    if row is None or not suppressions.lift(row.pk, by_name=BY):
        message = f"{address} is not suppressed."
        raise CommandError(message)
    row.refresh_from_db()
    return row


def address_in(text: str) -> str:
    """Return the address in the log's spelling. Raises CommandError."""
    try:
        return normalized_address(text)
    except AddressError as error:
        usage_error(f"The address {error}.")


def line_of(row: Suppression) -> str:
    return f"{row.address}  {suppressions.describe(row)}"


def facts_of(row: Suppression) -> dict[str, Any]:
    return {
        "address": row.address,
        "reason": row.reason,
        "since": row.since.isoformat(timespec="seconds"),
        "by": row.actor_name or None,
        "mail": row.mail_number,
        "lifted_at": row.lifted_at.isoformat(timespec="seconds") if row.lifted_at else None,
        "lifted_by": row.lifted_by or None,
    }
