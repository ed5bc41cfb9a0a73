"""A project as a set of named files: what folders, zip files and the built-in projects have in common.

Works on bytes, without Django, disk or zip. Writing what was read gives the same bytes; reading is in `reading`. The
format is described in docs/templates-exchange.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from templates_app.content import json_text
from templates_app.content.content import KEY, LANGUAGE, Content, Texts

FOLDERS = {"part": "parts", "template": "templates"}  # in the order of ProjectFiles.documents
ENDINGS = {"subject": "subject", "html": "html", "text": "txt"}  # field of Texts -> ending of its file
MAX_FILE = 8_000_000  # bytes of one file
DOCUMENT_PATH = re.compile(
    rf"(?P<folder>parts|templates)/(?P<key>{KEY.pattern})/"
    rf"((?P<metadata>part\.json|template\.json)|(?P<language>{LANGUAGE.pattern})\.(?P<ending>subject|html|txt)"
    r"|versions/(?P<number>[1-9][0-9]{0,8})\.json)"
)


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Something wrong with a file. `line` counts from 1; 0 means the file as a whole."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        """Return ``shop/project.json, line 3: ...``."""
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{place}: {self.message}"


class FilesError(ValueError):
    """Files are not a valid project; `problems` lists everything that is wrong."""

    def __init__(self, problems: list[FileProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A shared value, which templates of every project can use, as a project contains it."""

    value: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class VersionFile:
    """One version in a document's history. `base` is the number of the built-in version that it is based on."""

    number: int
    content: Content
    note: str
    author_name: str
    created_at: datetime  # aware
    is_builtin: bool = False
    is_published: bool = False
    base: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentFiles:
    """A template or part: its published content, its samples by name, and its history, which may be empty."""

    kind: str  # template or part
    key: str
    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    content: Content = field(default_factory=Content)
    samples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    history: tuple[VersionFile, ...] = ()  # sorted by number


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """A project with its documents, parts first, sorted by key, and the shared values that it uses, by name."""

    key: str
    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    shared: Mapping[str, SharedFile] = field(default_factory=dict)
    documents: tuple[DocumentFiles, ...] = ()


def files_of(project: ProjectFiles) -> dict[str, bytes]:
    """Return the project's files by their paths, relative to its folder."""
    metadata = {
        "name": project.name,
        "description": project.description,
        "tags": list(project.tags),
        "shared": {name: asdict(project.shared[name]) for name in sorted(project.shared)},
    }
    files = {"project.json": json_bytes(metadata)}
    for document in project.documents:
        folder = f"{FOLDERS[document.kind]}/{document.key}"
        files[f"{folder}/{document.kind}.json"] = json_bytes(document_metadata(document))
        for language in sorted(document.content.languages):
            for ending, text in texts_by_ending(document.kind, document.content.languages[language]).items():
                files[f"{folder}/{language}.{ending}"] = text.encode()
        for version in document.history:
            files[f"{folder}/versions/{version.number}.json"] = json_bytes(version_metadata(version))
    return files


def document_metadata(document: DocumentFiles) -> dict[str, Any]:
    """Return the content of part.json or template.json."""
    metadata: dict[str, Any] = {
        "name": document.name,
        "description": document.description,
        "tags": list(document.tags),
        "default_language": document.content.default_language,
    }
    if document.kind == "template":
        metadata["variables"] = [variable.as_json() for variable in document.content.variables]
        metadata["samples"] = {name: dict(values) for name, values in document.samples.items()}
    return metadata


def texts_by_ending(kind: str, texts: Texts) -> dict[str, str]:
    """Return the texts of one language's files by extension; a language without any text has one empty file."""
    files = {}
    if texts.subject and kind == "template":
        files["subject"] = texts.subject + "\n"
    if texts.html:
        files["html"] = texts.html
    if texts.text:
        files["txt"] = texts.text
    return files or {"html": ""}


def version_metadata(version: VersionFile) -> dict[str, Any]:
    """Return the content of a version's JSON file."""
    return {
        "note": version.note,
        "author_name": version.author_name,
        "created_at": version.created_at.isoformat(),
        "is_builtin": version.is_builtin,
        "is_published": version.is_published,
        "base": version.base,
        "content": version.content.as_json(),
    }


def json_bytes(data: object) -> bytes:
    """Return `data` as a JSON file. Lone surrogates are escaped, so that reading the file reports them."""
    return json_text.dumps(data).encode("utf-8", "backslashreplace")


def is_ignored(path: str) -> bool:
    """Return whether a file in a project's folder is ignored: hidden files and notes (``README.md``)."""
    return any(part.startswith(".") for part in path.split("/")) or path.endswith(".md")
