"""Reads a project from named files, and reports everything wrong with them by file and line.

The counterpart of `project_files.files_of`; like it, without Django, disk or zip.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from templates_app.content import json_text
from templates_app.content.content import (
    KEY,
    MAX_TEXT,
    VARIABLE_NAME,
    Content,
    ContentError,
    Texts,
    checked_object,
    from_json,
    language_code,
    texts_from,
    variable_from,
)
from templates_app.files.project_files import (
    DOCUMENT_PATH,
    ENDINGS,
    FOLDERS,
    MAX_FILE,
    DocumentFiles,
    FileProblem,
    FilesError,
    ProjectFiles,
    SharedFile,
    VersionFile,
    is_ignored,
)

MAX_PROBLEMS = 100
MAX_TAGS = 20
TAG = re.compile(r"[\w-]{1,30}")
PROJECT_KEYS = {"name", "description", "tags", "shared"}
PART_KEYS = {"name", "description", "tags", "default_language"}
TEMPLATE_KEYS = PART_KEYS | {"variables", "samples"}
VERSION_KEYS = {"note", "author_name", "created_at", "is_builtin", "is_published", "base", "content"}


def parse_project(key: str, files: Mapping[str, bytes]) -> ProjectFiles:
    """Return the project `key` made of `files`, by their paths relative to its folder. Raises FilesError."""
    return ProjectReader(key, files).read()


class ProjectReader:
    """Reads one project and collects what is wrong with it."""

    def __init__(self, key: str, files: Mapping[str, bytes]) -> None:
        self.key = key
        self.files = {path: data for path, data in files.items() if not is_ignored(path)}
        self.problems: list[FileProblem] = []

    def read(self) -> ProjectFiles:
        if not KEY.fullmatch(self.key):
            self.add_problem("", 0, "a project's folder must be named with lowercase letters, digits and _, at most 50")
        documents: dict[tuple[str, str], dict[str, str]] = {}
        for path in sorted(self.files):
            place = DOCUMENT_PATH.fullmatch(path)
            if place:
                own = documents.setdefault((place["folder"], place["key"]), {})
                own[path.split("/", 2)[2]] = path
            elif path != "project.json":
                self.add_problem(path, 0, "is not a file of a project, or is misnamed")
        metadata = self.metadata("project.json", self.project_metadata) if "project.json" in self.files else None
        if "project.json" not in self.files:
            self.add_problem("project.json", 0, "is missing")
        kinds = {folder: kind for kind, folder in FOLDERS.items()}
        read = [self.document(kinds[folder], key, own) for (folder, key), own in sorted(documents.items())]
        if self.problems:
            raise FilesError(self.problems[:MAX_PROBLEMS])
        return ProjectFiles(key=self.key, documents=tuple(one for one in read if one), **(metadata or {}))

    def add_problem(self, path: str, line: int, message: str) -> None:
        shown = f"{self.key}/{path}".rstrip("/").encode("utf-8", "backslashreplace").decode()
        self.problems.append(FileProblem(shown, line, message))

    # ---------------------------------------------------------------- single files

    def text(self, path: str) -> str | None:
        """Return the text of a file, or None with a problem added."""
        data = self.files[path]
        if len(data) > MAX_FILE:
            self.add_problem(path, 0, f"is larger than {MAX_FILE:,} bytes")
            return None
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            self.add_problem(path, data.count(b"\n", 0, error.start) + 1, "is not UTF-8")
            return None

    def metadata(self, path: str, read: Callable[[Any], dict[str, Any]]) -> dict[str, Any] | None:
        """Return what `read` makes of a JSON file, or None with a problem added."""
        text = self.text(path)
        if text is None:
            return None
        try:
            data = json_text.loads(text)
            return read(data)
        except json_text.JsonError as error:
            self.add_problem(path, error.line, error.message)
        except ContentError as error:
            inside = error.where.removeprefix("file").lstrip(".")
            line = json_text.line_of(text, inside.split(".") if inside else [])
            self.add_problem(path, line, f"{inside}: {error.reason}" if inside else error.reason)
        return None

    # ---------------------------------------------------------------- documents

    def document(self, kind: str, key: str, own: Mapping[str, str]) -> DocumentFiles | None:
        """Return a document, or None with problems added. `own` has its paths by their names within its folder."""
        before = len(self.problems)
        languages: dict[str, dict[str, str]] = {}
        history = []
        metadata: dict[str, Any] | None = None
        name = f"{kind}.json"
        if name not in own:
            self.add_problem(f"{FOLDERS[kind]}/{key}/{name}", 0, "is missing")
        for file, path in own.items():
            if file == name:
                metadata = self.metadata(path, template_metadata if kind == "template" else part_metadata)
            elif file.startswith("versions/"):
                version = self.metadata(path, version_metadata)
                number = int(file.removeprefix("versions/").removesuffix(".json"))
                history += [VersionFile(number=number, **version)] if version else []
            elif file.endswith(".json") or (kind == "part" and file.endswith(".subject")):
                self.add_problem(path, 0, f"does not belong to a {kind}")
            else:
                language, _, ending = file.partition(".")
                self.add_text(path, ending, languages.setdefault(language, {}))
        history.sort(key=lambda version: version.number)
        self.check_history(f"{FOLDERS[kind]}/{key}/versions", history)
        if metadata is None or len(self.problems) > before:
            return None
        content = Content(
            languages={language: Texts(**texts) for language, texts in sorted(languages.items())},
            default_language=metadata.pop("default_language"),
            variables=metadata.pop("variables", ()),
        )
        return DocumentFiles(kind=kind, key=key, content=content, history=tuple(history), **metadata)

    def add_text(self, path: str, ending: str, texts: dict[str, str]) -> None:
        """Add the text in a file to `texts`, or a problem."""
        text = self.text(path)
        if text is None:
            return
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if ending == "subject":
            text = text.removesuffix("\n")
        field = next(field for field, known in ENDINGS.items() if known == ending)
        try:
            texts[field] = getattr(texts_from({field: text}, "file"), field)
        except ContentError as error:
            line = 0 if len(text) > MAX_TEXT else next(n for n, one in enumerate(text.split("\n"), 1) if "\x00" in one)
            self.add_problem(path, line, error.reason)

    def check_history(self, folder: str, history: list[VersionFile]) -> None:
        """Add problems for versions of one document that contradict one another."""
        numbers = {version.number for version in history}
        if sum(version.is_published for version in history) > 1:
            self.add_problem(folder, 0, "more than one version is published")
        for version in history:
            if version.base is not None and (version.base not in numbers or version.base == version.number):
                self.add_problem(
                    f"{folder}/{version.number}.json", 0, f"base: there is no other version {version.base}"
                )

    # ---------------------------------------------------------------- JSON files

    @staticmethod
    def project_metadata(data: object) -> dict[str, Any]:
        """Return the fields of project.json. Raises ContentError."""
        whole = checked_object(data, "file", allowed=PROJECT_KEYS)
        shared = {}
        for name, given in checked_object(whole.get("shared", {}), "file.shared").items():
            where = f"file.shared.{name}"
            if not VARIABLE_NAME.fullmatch(name):
                raise ContentError(where, "must be lowercase letters, digits and _, not starting with a digit")
            one = {"value": given} if isinstance(given, str) else given
            fields = checked_object(one, where, allowed={"value", "description"})
            shared[name] = SharedFile(
                value=text_field(fields, "value", where, longest=500),
                description=text_field(fields, "description", where, 200),
            )
        return {**common_metadata(whole), "shared": shared}


def common_metadata(whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return name, description and tags, which projects, templates and parts all have. Raises ContentError."""
    name = text_field(whole, "name", "file", longest=100)
    if not name or name != " ".join(name.split()):
        raise ContentError("file.name", "must not be empty, and its words must be separated by single spaces")
    tags = whole.get("tags", [])
    if not isinstance(tags, list):
        raise ContentError("file.tags", "must be a list")
    for number, tag in enumerate(tags):
        if not isinstance(tag, str) or not TAG.fullmatch(tag) or tag in tags[:number]:
            raise ContentError(
                f"file.tags.{number}", "must be a word of at most 30 letters, digits, _ and -, given once"
            )
    if len(tags) > MAX_TAGS:
        raise ContentError("file.tags", f"must be at most {MAX_TAGS} tags")
    return {"name": name, "description": text_field(whole, "description", "file", 500, lines=True), "tags": tuple(tags)}


def part_metadata(data: object) -> dict[str, Any]:
    """Return the fields of part.json. Raises ContentError."""
    whole = checked_object(data, "file", allowed=PART_KEYS)
    default = language_code(whole.get("default_language", "en"), "file.default_language")
    return {**common_metadata(whole), "default_language": default}


def template_metadata(data: object) -> dict[str, Any]:
    """Return the fields of template.json. Raises ContentError."""
    whole = checked_object(data, "file", allowed=TEMPLATE_KEYS)
    metadata = part_metadata({key: value for key, value in whole.items() if key in PART_KEYS})
    given = whole.get("variables", [])
    if not isinstance(given, list):
        raise ContentError("file.variables", "must be a list")
    variables = tuple(variable_from(one, f"file.variables.{number}") for number, one in enumerate(given))
    names = [variable.name for variable in variables]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ContentError(f"file.variables.{number}.name", f"{name} is declared twice")
    samples = {}
    for name, values in checked_object(whole.get("samples", {}), "file.samples").items():
        text_field({"name": name}, "name", "file.samples", 100)
        if name != " ".join(name.split()) or not name.isprintable() or not name:
            raise ContentError(
                f"file.samples.{name}", "a sample's name must be printable, with single spaces between words"
            )
        samples[name] = checked_object(values, f"file.samples.{name}")
    return {**metadata, "variables": variables, "samples": samples}


def version_metadata(data: object) -> dict[str, Any]:
    """Return the fields of a version's file. Raises ContentError."""
    whole = checked_object(data, "file", allowed=VERSION_KEYS)
    try:
        created = datetime.fromisoformat(text_field(whole, "created_at", "file", 40))
    except ValueError as error:
        raise ContentError("file.created_at", "must be a time such as 2026-01-31T12:00:00+00:00") from error
    if created.tzinfo is None or not 1970 <= created.year <= 9000:
        raise ContentError("file.created_at", "must be a time with its UTC offset, not before 1970")
    base = whole.get("base")
    if base is not None and (isinstance(base, bool) or not isinstance(base, int)):
        raise ContentError("file.base", "must be the number of a version, or null")
    flags = {name: whole.get(name, False) for name in ("is_builtin", "is_published")}
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ContentError(f"file.{name}", "must be true or false")
    try:
        content = from_json(whole.get("content", {}))
    except ContentError as error:
        raise ContentError(f"file.content.{error.where}", error.reason) from error
    return {
        "note": text_field(whole, "note", "file", 500, lines=True),
        "author_name": text_field(whole, "author_name", "file", 254),
        "created_at": created,
        "base": base,
        "content": content,
        **flags,
    }


def text_field(whole: Mapping[str, Any], name: str, where: str, longest: int, *, lines: bool = False) -> str:
    """Return a text of at most `longest` characters, on one line unless `lines`. Raises ContentError."""
    place = f"{where}.{name}"
    text = whole.get(name, "")
    if not isinstance(text, str):
        raise ContentError(place, "must be text")
    if len(text) > longest:
        raise ContentError(place, f"is longer than {longest} characters")
    if any(ord(character) < 32 and not (lines and character in "\n\t\r") for character in text):
        raise ContentError(place, "contains a control character")
    return text
