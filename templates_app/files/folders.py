"""Projects as folders of readable files, for version control; the built-in projects are such folders, too.

Without Django or a database. Writing a project again changes nothing; files that no longer belong to it are removed,
foreign ones are left alone. Links are never followed.
"""

from __future__ import annotations

import os
from pathlib import Path

from templates_app.files.project_files import (
    DOCUMENT_PATH,
    FOLDERS,
    MAX_FILE,
    DocumentFiles,
    FileProblem,
    FilesError,
    ProjectFiles,
    SharedFile,
    VersionFile,
    files_of,
    is_ignored,
)
from templates_app.files.reading import parse_project

__all__ = [
    "DocumentFiles",
    "FileProblem",
    "FilesError",
    "ProjectFiles",
    "SharedFile",
    "VersionFile",
    "read_folder",
    "read_project",
    "write_project",
]

MAX_FILES = 50_000


def read_folder(folder: Path) -> list[ProjectFiles]:
    """Return the projects in `folder`, sorted by key, or the one that `folder` itself is.

    Subfolders without ``project.json``, ``parts`` and ``templates`` are ignored. Raises FilesError with everything that
    is wrong.
    """
    if not folder.is_dir():
        raise FilesError([FileProblem(str(folder), 0, "is not a folder")])
    if (folder / "project.json").exists():
        return [read_project(folder)]
    projects, problems = [], []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and looks_like_project(path):
            try:
                projects.append(read_project(path))
            except FilesError as error:
                problems += error.problems
    if problems:
        raise FilesError(problems)
    if not projects:
        raise FilesError([FileProblem(str(folder), 0, "contains no project, which is a folder with a project.json")])
    return projects


def looks_like_project(folder: Path) -> bool:
    """Return whether the folder is meant to be a project, complete or not."""
    return not folder.name.startswith(".") and any(
        (folder / name).exists() for name in ("project.json", *FOLDERS.values())
    )


def read_project(folder: Path) -> ProjectFiles:
    """Return the project in `folder`, whose name is the key. Raises FilesError with everything that is wrong."""
    key = folder.resolve().name
    if not folder.is_dir():
        raise FilesError([FileProblem(str(folder), 0, "is not a folder")])
    files: dict[str, bytes] = {}
    problems: list[FileProblem] = []
    collect_files(folder, folder, files, problems)
    if problems:
        raise FilesError([FileProblem(f"{key}/{one.file}", one.line, one.message) for one in problems])
    return parse_project(key, files)


def collect_files(root: Path, folder: Path, files: dict[str, bytes], problems: list[FileProblem]) -> None:
    """Add all files under `folder` to `files`, by their paths relative to `root`, and what is wrong to `problems`."""
    for path in sorted(folder.iterdir()):
        name = path.relative_to(root).as_posix()
        if is_ignored(name):
            continue
        if path.is_symlink():
            problems.append(FileProblem(name, 0, "is a link; links are not followed"))
        elif path.is_dir():
            collect_files(root, path, files, problems)
        elif not path.is_file() or path.stat().st_size > MAX_FILE:
            problems.append(FileProblem(name, 0, f"is not a file of at most {MAX_FILE:,} bytes"))
        elif len(files) >= MAX_FILES:
            problems.append(FileProblem(name, 0, f"there are more than {MAX_FILES:,} files"))
            return
        else:
            try:
                files[name] = path.read_bytes()
            except OSError as error:
                problems.append(FileProblem(name, 0, f"cannot be read: {error.strerror}"))


def write_project(folder: Path, project: ProjectFiles) -> None:
    """Make `folder` contain exactly `project`, besides foreign files. Raises OSError, also for links in the way."""
    files = files_of(project)
    for name, data in files.items():
        path = folder / name
        reject_links(folder, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != data:
            path.write_bytes(data)
    for kind in FOLDERS.values():
        if (folder / kind).is_dir() and not (folder / kind).is_symlink():
            remove_stale_files(folder, folder / kind, set(files))


def reject_links(folder: Path, path: Path) -> None:
    """Raise OSError if `path` under `folder` leads through a link."""
    while path != folder:
        if path.is_symlink():
            message = f"{path} is a link; links are not followed"
            raise OSError(message)
        path = path.parent


def remove_stale_files(root: Path, folder: Path, kept: set[str]) -> None:
    """Remove the files of the format that are not `kept`, and folders left empty."""
    for path in sorted(folder.iterdir()):
        name = path.relative_to(root).as_posix()
        if path.is_dir() and not path.is_symlink():
            remove_stale_files(root, path, kept)
        elif DOCUMENT_PATH.fullmatch(name) and name not in kept:
            path.unlink()
    if not any(os.scandir(folder)):
        folder.rmdir()
