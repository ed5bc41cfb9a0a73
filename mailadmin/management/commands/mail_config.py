"""`manage.py mail_config`: every setting in force and its source."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mailadmin.configuration import effective
from mailadmin.connections import readiness, selection
from secrets_app import vault


class Command(BaseCommand):
    """Exit 0: done; with --check 1: something keeps messages from leaving."""

    help = "Show the mail configuration in force and the source of each value, without passwords."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="exit 1 if messages cannot leave")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        current = effective.current()
        problem = readiness.problem(current)
        values = {name: current[name] for name in effective.FIELDS}
        mail = settings.MAIL
        staging = {"MAIL_ALWAYS_TO": mail.always_to, "MAIL_ALLOWED_RECIPIENTS": ", ".join(mail.allowed_recipients)}
        if options["json"]:
            facts = {
                "settings": {
                    name: {"value": value.value, "source": value.source.value, "locked": bool(value.lock)}
                    for name, value in values.items()
                },
                "staging": staging,
                "connections": [self.facts(connection) for connection in selection.connections()],
                "problem": problem.text if problem else "",
            }
            self.stdout.write(json.dumps(facts, indent=2))
        else:
            for name, value in values.items():
                source = f"{value.source.value} ({value.variable})" if value.source == "environment" else value.source
                locked = ", locked" if value.lock else ""
                self.stdout.write(f"{name:20} {value.value or '-':40} {source}{locked}")
            for name, text in staging.items():
                if text:
                    self.stdout.write(f"{name}: {text}")
            for connection in selection.connections():
                line = "connection {name}: {kind}, {server} ({security}), for the system: {system}"
                self.stdout.write(line.format_map(self.facts(connection)))
            self.stdout.write(problem.text if problem else "Messages can leave.")
        if options["check"] and problem:
            raise CommandError(problem.text)

    @staticmethod
    def facts(connection: vault.Connection) -> dict[str, Any]:
        where, how = connection.summary
        return {
            "id": connection.id,
            "name": connection.name,
            "kind": connection.kind,
            "server": where,
            "security": how,
            "system": "yes" if vault.usable_by(connection, None) else "no",
        }
