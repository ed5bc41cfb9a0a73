"""`manage.py templates_export`: write projects to a folder of readable files or to a zip file."""

from __future__ import annotations

import os
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import ngettext

from templates_app.files.archives import MAX_ARCHIVE, pack
from templates_app.files.folders import write_project
from templates_app.transfer.project_transfer import UnknownProjectsError, export_projects


class Command(BaseCommand):
    """Exit status 0: done; 1: cannot write; 2: usage error."""

    help = (
        "Write the named projects, or all, to a folder (one subfolder per project, good for version control) or to a "
        "zip file, which also contains all versions. In an existing folder, only these projects are changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("projects", nargs="*", metavar="PROJECT", help="keys of projects; default: all")
        parser.add_argument("target", metavar="FOLDER|FILE.zip", help="where to write")

    def handle(self, *args: Any, **options: Any) -> None:
        target = Path(options["target"])
        is_zip = target.suffix.lower() == ".zip"
        if (target.is_dir() and is_zip) or (target.exists() and not target.is_dir() and not is_zip):
            message = f"{target} is {'a folder' if is_zip else 'a file'}; name a folder, or a file ending in .zip."
            raise CommandError(message, returncode=2)
        try:
            projects = export_projects(options["projects"], history=is_zip)
        except UnknownProjectsError as error:
            message = f"There is no project {', '.join(error.keys)}."
            raise CommandError(message, returncode=2) from error
        try:
            if is_zip:
                write_file(target, pack(projects))
            else:
                for project in projects:
                    write_project(target / project.key, project)
        except OSError as error:
            message = f"Cannot write: {error}"
            raise CommandError(message) from error
        count = len(projects)
        self.stdout.write(
            ngettext("%d project written to {}.", "%d projects written to {}.", count).format(target) % count
        )
        if is_zip and target.stat().st_size > MAX_ARCHIVE:
            self.stderr.write(
                f"It is larger than {MAX_ARCHIVE // 1_000_000} MB and cannot be imported; export fewer projects."
            )


def write_file(target: Path, data: bytes) -> None:
    """Write a file atomically. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
