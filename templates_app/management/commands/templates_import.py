"""`manage.py templates_import`: import projects from a folder or a zip file, all or nothing."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from templates_app.files.archives import MAX_ARCHIVE, unpack
from templates_app.files.folders import read_folder
from templates_app.files.project_files import FilesError, ProjectFiles
from templates_app.transfer.import_plan import ImportRefused
from templates_app.transfer.project_transfer import check_import, import_projects


class Command(BaseCommand):
    """Exit status 0: done, or nothing to do; 1: refused, nothing was changed; 2: usage error."""

    help = (
        "Import projects from a folder or zip file written by templates_export. Texts that differ are published as new "
        "versions; nothing is deleted. Everything is checked first: if anything is wrong, nothing is changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "source", metavar="FOLDER|FILE.zip", help="a folder of projects, one project, or a zip file"
        )
        parser.add_argument("--check", action="store_true", help="print what would change, without changing anything")
        parser.add_argument("--note", default="", metavar="TEXT", help="note for the new versions")

    def handle(self, *args: Any, **options: Any) -> None:
        source, note = Path(options["source"]), " ".join(options["note"].split())
        if not source.exists():
            message = f"There is no {source}."
            raise CommandError(message, returncode=2)
        try:
            projects = read(source)
            plan = check_import(projects) if options["check"] else import_projects(projects, None, note=note)
        except (FilesError, ImportRefused) as error:
            lines = "\n".join(str(problem) for problem in error.problems)
            message = f"{lines}\nNothing was imported."
            raise CommandError(message) from error
        for line in plan.lines:
            self.stdout.write(str(line))
        if not plan.changes_anything:
            self.stdout.write("Nothing differs.")
        elif options["check"]:
            self.stdout.write("Nothing is wrong. Nothing was imported.")
        else:
            self.stdout.write("Imported.")


def read(source: Path) -> list[ProjectFiles]:
    """Return the projects in a folder or a zip file. Raises FilesError, CommandError."""
    if source.is_dir():
        return read_folder(source)
    try:
        with source.open("rb") as file:
            return unpack(file.read(MAX_ARCHIVE + 1))
    except OSError as error:
        message = f"{source} cannot be read: {error.strerror}"
        raise CommandError(message) from error
