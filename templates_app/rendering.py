"""Turns a template key and values into the parts of a mail.

So far it owns the built-in plain texts under ``builtin/`` (first line ``Subject: ...``, an empty line, the body).
Values are plain strings and numbers, never models or requests; a missing one is an error, not an empty place in a mail.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

BUILTIN = Path(__file__).parent / "builtin"
KEY = re.compile(r"[a-z0-9_]{1,50}/[a-z0-9_]{1,50}")

environment = ImmutableSandboxedEnvironment(
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # plain text
    keep_trailing_newline=True,
)


class TemplateError(ValueError):
    """A template is missing or cannot be rendered with these values; the text says which and why."""


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """What a template became. `subject` is one line; `html` is empty for a plain text template."""

    key: str
    language: str
    subject: str
    text: str
    html: str = ""


def render(key: str, values: Mapping[str, object], *, language: str = "") -> RenderedMail:
    """Render the template `key` (``project/name``) with `values`.

    There is only English so far, whatever `language` asks for; the result names the language it is in. Raises
    TemplateError for an unknown key, a missing value, or a value that is not plain.
    """
    if not KEY.fullmatch(key):
        message = f"{key!r} is not a template key such as account/password_reset"
        raise TemplateError(message)
    for name, value in values.items():
        if not isinstance(value, str | int | float):
            message = f"{key}: the value {name} must be text or a number, not {type(value).__name__}"
            raise TemplateError(message)
    try:
        subject, text = (part.render(values) for part in compiled(key))
    except jinja2.UndefinedError as error:
        message = f"{key}: {error.message}"
        raise TemplateError(message) from error
    return RenderedMail(key=key, language="en", subject=" ".join(subject.split()), text=text)


@functools.cache
def compiled(key: str) -> tuple[jinja2.Template, jinja2.Template]:
    """Return the subject and the body of `key`, compiled apart so that no value can move the border between them."""
    try:
        source = (BUILTIN / f"{key}.txt").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        message = f"there is no template {key}"
        raise TemplateError(message) from error
    head, _, body = source.partition("\n\n")
    return environment.from_string(head.removeprefix("Subject: ")), environment.from_string(body)
