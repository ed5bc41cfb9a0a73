"""Renders a template's texts with values into a subject, HTML and plain text. Without Django.

The input is a `Bundle`: all that one message needs, as plain data that can also be sent to another process. Everything
wrong is a `Problem` with the template, the part, the line and a sentence for people.

Templates run in Jinja's immutable sandbox: they see values and shared values, call harmless filters, use the bundle's
parts, and reach nothing else. Time and memory are *not* limited here: what is not published is rendered through
`sandbox.client`, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jinja2

from templates_app.content import values
from templates_app.content.content import Content, from_json
from templates_app.engine import css_inlining, plain_text, template_errors
from templates_app.engine.compiling import Environment
from templates_app.engine.template_errors import Problem, TemplateError

MAX_OUTPUT = 1_000_000  # characters of one rendered text
MAX_SUBJECT = 1_000


@dataclass(frozen=True, slots=True)
class Bundle:
    """A template's content, the parts that it uses by ``project/key``, and the shared values.

    `is_part`: `content` is a part's, rendered alone for a preview, and has no subject. `version` is the number of the
    published version, 0 if there is none.
    """

    key: str
    content: Content
    parts: Mapping[str, Content] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)
    version: int = 0
    is_part: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON data, from which `from_json` makes an equal bundle."""
        return {
            "key": self.key,
            "content": self.content.as_json(),
            "parts": {key: part.as_json() for key, part in self.parts.items()},
            "shared": dict(self.shared),
            "version": self.version,
            "is_part": self.is_part,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Bundle:
        """Return the bundle that `as_json` described. Raises ContentError, KeyError."""
        return cls(
            key=data["key"],
            content=from_json(data["content"]),
            parts={key: from_json(part) for key, part in data["parts"].items()},
            shared=data["shared"],
            version=data["version"],
            is_part=data["is_part"],
        )


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered template. `subject` is one line, `language` that of the body; `html` or `text` may be empty."""

    subject: str
    html: str
    text: str
    language: str


def render_bundle(bundle: Bundle, given: Mapping[str, object], language: str = "") -> Rendered:
    """Render in `language` or the nearest one. Raises TemplateError with every problem of template and values."""
    problems: list[Problem] = []
    try:
        compiled = CompiledTemplate(bundle, language)
    except TemplateError as error:
        problems = error.problems
        compiled = None
    problems += value_problems(bundle, given)
    if compiled is None or problems:
        raise TemplateError(problems)
    return compiled.render(given)


def value_problems(bundle: Bundle, given: Mapping[str, object]) -> list[Problem]:
    return [value_problem(bundle, sentence) for _, sentence in values.check(bundle.content.variables, given)[1]]


def value_problem(bundle: Bundle, sentence: str) -> Problem:
    return Problem(template=bundle.key, part="values", line=0, message=sentence)


class CompiledTemplate:
    """A bundle compiled for one language; thread-safe. Creating one raises TemplateError."""

    def __init__(self, bundle: Bundle, language: str = "") -> None:
        content = bundle.content
        body, body_language = content.body_in(language)
        subject, subject_language = content.subject_in(language)
        self.bundle = bundle
        self.language = body_language or subject_language or content.default_language
        problems: list[Problem] = []

        def compiled(part: str, source: str, own_language: str) -> jinja2.Template | None:
            environment = Environment(
                bundle.parts,
                bundle.shared,
                html=part == "html",
                language=own_language or self.language,
                body_language=self.language,
            )
            try:
                return environment.compiled(source, bundle.key)
            except Exception as error:  # noqa: BLE001  # a template can raise anything
                problems.append(template_errors.explain(error, bundle.key, part))
                return None

        if not bundle.is_part and not subject.strip():
            problems.append(Problem(bundle.key, "subject", 0, "The template has no subject."))
        if not body.html.strip() and not body.text.strip():
            problems.append(Problem(bundle.key, "html", 0, "The template has no text."))
        self.subject = compiled("subject", subject, subject_language)
        self.html = compiled("html", body.html, body_language) if body.html.strip() else None
        self.text = compiled("text", body.text, body_language) if body.text.strip() else None
        if problems:
            raise TemplateError(problems)

    def render(self, given: Mapping[str, object]) -> Rendered:
        """Render with values that `values.check` accepts. Raises TemplateError."""
        plain, faults = values.check(self.bundle.content.variables, given)
        if faults:
            raise TemplateError([value_problem(self.bundle, sentence) for _, sentence in faults])
        problems: list[Problem] = []

        def text_of_part(part: str, template: jinja2.Template | None, most: int) -> str:
            if template is None:
                return ""
            try:
                return output_of(template, plain, most)
            except TooLongError:
                message = f"The result is longer than {most:,} characters."
                problems.append(Problem(self.bundle.key, part, 0, message))
            except Exception as error:  # noqa: BLE001  # a template can raise anything
                problems.append(template_errors.explain(error, self.bundle.key, part))
            return ""

        subject = " ".join(text_of_part("subject", self.subject, MAX_SUBJECT).split())
        html = text_of_part("html", self.html, MAX_OUTPUT)
        text = text_of_part("text", self.text, MAX_OUTPUT).strip()
        if problems:
            raise TemplateError(problems)
        try:
            inlined = css_inlining.inline(html) if html else ""
        except css_inlining.StyleError as error:
            raise TemplateError([Problem(self.bundle.key, "html", 0, str(error))]) from error
        if self.text is None and inlined:
            try:
                text = plain_text.plain_text_of(inlined)
            except plain_text.UnreadableError as error:
                raise TemplateError([Problem(self.bundle.key, "text", 0, str(error))]) from error
        elif text:
            text += "\n"
        return Rendered(subject=subject, html=inlined, text=text, language=self.language)


class TooLongError(Exception):
    """The output is too long."""


def output_of(template: jinja2.Template, plain: dict[str, Any], most: int) -> str:
    """Return at most `most` characters of output. Raises TooLongError, and anything that the template raises."""
    pieces: list[str] = []
    left = most
    for piece in template.root_render_func(template.new_context(plain)):
        left -= len(piece)
        if left < 0:
            raise TooLongError
        pieces.append(piece)
    return "".join(pieces)
