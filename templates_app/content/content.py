"""The content of one version of a template or part: its texts in every language and the variables that it declares.

Without Django, because the sandbox uses it. The JSON form is canonical: equal content has an equal `digest`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

KEY = re.compile(r"[a-z0-9_]{1,50}")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")  # de, de-AT, zh-Hant-TW
VARIABLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,49}")
TYPES = ("text", "number", "boolean", "date", "datetime", "url", "email", "list", "object")
# A variable named none would never be rendered; one named not would be a syntax error.
JINJA_KEYWORDS = frozenset({"none", "true", "false", "not", "and", "or", "in", "is", "if", "else"})
RESERVED = JINJA_KEYWORDS | {
    "language",
    "range",
    "dict",
    "lipsum",
    "cycler",
    "joiner",
    "namespace",
    "self",
    "loop",
    "super",
}
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
MAX_TEXT = 200_000  # characters of one subject, HTML or plain text


class ContentError(ValueError):
    """Content is invalid. `where` names the field: ``languages.de.html``, ``variables.2.name``."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that a template expects. `sample` is JSON: text, a number, true or false, a list or an object.

    `secret`: a link or a code that lets its holder in. A message with one is sensitive.
    """

    name: str
    type: str = "text"
    description: str = ""
    sample: Any = ""
    required: bool = True
    secret: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON data; `secret` only if it is true, as in files from before there was one."""
        return {name: value for name, value in asdict(self).items() if name != "secret" or value}


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts in one language. Empty ones fall back: see `Content.subject_in` and `Content.body_in`."""

    subject: str = ""
    html: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a version. A part (a layout, a footer) has neither subjects nor variables."""

    languages: Mapping[str, Texts] = field(default_factory=dict)
    default_language: str = "en"
    variables: tuple[Variable, ...] = ()

    def chain(self, language: str) -> list[str]:
        """Return the existing languages to use for `language`, best first: de-AT, de, the default."""
        wanted, parts = [], language.replace("_", "-").split("-")
        while parts:
            wanted.append("-".join(parts).casefold())
            parts.pop()
        by_key = {one.casefold(): one for one in self.languages}
        wanted.append(self.default_language.casefold())
        return list(dict.fromkeys(by_key[one] for one in wanted if one in by_key))

    def subject_in(self, language: str) -> tuple[str, str]:
        """Return the subject's source and its language; both are empty if there is none."""
        return next(
            ((self.languages[one].subject, one) for one in self.chain(language) if self.languages[one].subject),
            ("", ""),
        )

    def body_in(self, language: str) -> tuple[Texts, str]:
        """Return the texts whose HTML and plain text are sent together, and their language.

        HTML and plain text always come from the same language, so that they say the same.
        """
        for one in self.chain(language):
            texts = self.languages[one]
            if texts.html or texts.text:
                return texts, one
        return Texts(), ""

    @property
    def has_secret(self) -> bool:
        """Whether a variable is secret."""
        return any(one.secret for one in self.variables)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON data from which `from_json` makes equal content."""
        return {
            "default_language": self.default_language,
            "variables": [variable.as_json() for variable in self.variables],
            "languages": {language: asdict(self.languages[language]) for language in sorted(self.languages)},
        }

    @property
    def digest(self) -> str:
        """A SHA-256 digest of the content, in hex."""
        text = json.dumps(self.as_json(), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def key_parts(key: str) -> tuple[str, str] | None:
    """Return project and name of ``project/name``, or None if `key` is no valid key and no query is needed."""
    project, _, name = key.partition("/")
    return (project, name) if KEY.fullmatch(project) and KEY.fullmatch(name) else None


def from_json(data: object) -> Content:
    """Return the content that `data` describes. Raises ContentError for the first invalid field."""
    whole = checked_object(data, "content", allowed={"default_language", "variables", "languages"})
    languages = {
        language_code(language, f"languages.{language}"): texts_from(texts, f"languages.{language}")
        for language, texts in checked_object(whole.get("languages", {}), "languages").items()
    }
    given = whole.get("variables", [])
    if not isinstance(given, list):
        raise ContentError("variables", "must be a list")
    variables = tuple(variable_from(one, f"variables.{number}") for number, one in enumerate(given))
    names = [variable.name for variable in variables]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ContentError(f"variables.{number}.name", f"{name} is declared twice")
    default = language_code(whole.get("default_language", "en"), "default_language")
    return Content(languages=languages, default_language=default, variables=variables)


def language_code(given: object, where: str) -> str:
    """Return `given` if it is a language code such as de or de-AT. Raises ContentError."""
    if not isinstance(given, str) or not LANGUAGE.fullmatch(given):
        raise ContentError(where, "is not a language code such as de or de-AT")
    return given


def texts_from(data: object, where: str) -> Texts:
    """Return the texts in one language. Raises ContentError."""
    whole = checked_object(data, where, allowed={one.name for one in fields(Texts)})
    for name, text in whole.items():
        if not isinstance(text, str):
            raise ContentError(f"{where}.{name}", "must be text")
        if len(text) > MAX_TEXT:
            raise ContentError(f"{where}.{name}", f"is longer than {MAX_TEXT:,} characters")
        if UNSTORABLE.search(text):
            raise ContentError(f"{where}.{name}", "contains a character that cannot be stored")
    return Texts(**{name: text.replace("\r\n", "\n").replace("\r", "\n") for name, text in whole.items()})


def variable_from(data: object, where: str) -> Variable:
    """Return one declared variable. Raises ContentError."""
    whole = checked_object(data, where, allowed={one.name for one in fields(Variable)})
    name, kind = whole.get("name", ""), whole.get("type", "text")
    if not isinstance(name, str) or not VARIABLE_NAME.fullmatch(name):
        raise ContentError(f"{where}.name", "must be lowercase letters, digits and _, not starting with a digit")
    if name in RESERVED:
        raise ContentError(f"{where}.name", f"{name} is a reserved name in templates")
    if kind not in TYPES:
        raise ContentError(f"{where}.type", f"must be one of {', '.join(TYPES)}")
    description, required = whole.get("description", ""), whole.get("required", True)
    secret = whole.get("secret", False)
    if not isinstance(description, str) or not isinstance(required, bool) or not isinstance(secret, bool):
        raise ContentError(where, "description must be text, required and secret true or false")
    sample = whole.get("sample", "")
    return Variable(name=name, type=kind, description=description, sample=sample, required=required, secret=secret)


def checked_object(data: object, where: str, *, allowed: set[str] | None = None) -> dict[str, Any]:
    """Return `data` if it is an object with text keys, and only `allowed` ones if given. Raises ContentError."""
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ContentError(where, "must be an object")
    for key in data:
        if allowed is not None and key not in allowed:
            raise ContentError(f"{where}.{key}", f"is unknown; known are {', '.join(sorted(allowed))}")
    return data
