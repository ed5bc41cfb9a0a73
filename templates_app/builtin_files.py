"""The templates that ship with the program, read from ``builtin/`` once per process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from templates_app.files.folders import DocumentFiles, ProjectFiles, read_folder

BUILTIN = Path(__file__).parent / "builtin"


def builtin_projects() -> tuple[ProjectFiles, ...]:
    """Return the built-in projects, none if their folder is missing. Raises FilesError."""
    return projects_in(BUILTIN)


def builtin_documents() -> dict[tuple[str, str], DocumentFiles]:
    """Return the built-in templates and parts by kind and full key. Raises FilesError."""
    return documents_in(BUILTIN)


@cache
def is_builtin(key: str) -> bool:
    """Return whether a template ships with the program, without reading its files (a tenth of a second for all)."""
    project, _, name = key.partition("/")
    return (BUILTIN / project / "templates" / name / "template.json").is_file()


@cache
def projects_in(folder: Path) -> tuple[ProjectFiles, ...]:
    """Return the projects in `folder`. Raises FilesError."""
    return tuple(read_folder(folder)) if folder.is_dir() and any(folder.iterdir()) else ()


@cache
def documents_in(folder: Path) -> dict[tuple[str, str], DocumentFiles]:
    """Return the templates and parts in `folder` by kind and full key. Raises FilesError."""
    return {
        (document.kind, f"{project.key}/{document.key}"): document
        for project in projects_in(folder)
        for document in project.documents
    }
