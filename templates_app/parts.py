"""Finds the parts that a template uses. They are named outright, never computed, so that all are known beforehand."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Literal

import jinja2

from templates_app import explaining
from templates_app.content import Content

if TYPE_CHECKING:
    from jinja2.environment import Environment, Template

# The same places that Jinja reads, and a few more (in comments), which does no harm.
USE = re.compile(r"""\{%[-+]?\s*(?:extends|include|import|from)\s*(?:"([^"\\]{1,200})"|'([^'\\]{1,200})')""")


def full_key(name: str, parent: str) -> str:
    """Return ``project/key`` for the name of a part in the template or part `parent`."""
    return name if "/" in name else f"{parent.partition('/')[0]}/{name}"


def used_in(content: Content, key: str) -> set[str]:
    """Return the whole keys of the parts that a content, which belongs to `key`, uses itself."""
    return {
        full_key(double or single, key)
        for texts in content.languages.values()
        for source in (texts.subject, texts.html, texts.text)
        for double, single in USE.findall(source)
    }


class Parts(jinja2.BaseLoader):
    """Gives Jinja the parts in one language and one of the variants ``html`` and ``text``."""

    def __init__(self, parts: Mapping[str, Content], variant: Literal["html", "text"], language: str) -> None:
        self.parts = parts
        self.variant = variant
        self.language = language

    def load(self, environment: Environment, name: str, globals: MutableMapping[str, Any] | None = None) -> Template:  # noqa: A002
        """Return a part, compiled. Raises TemplateNotFound and what compiling raises."""
        content = self.parts.get(name)
        texts = content.body_in(self.language)[0] if content is not None else None
        source = "" if texts is None else texts.html if self.variant == "html" else texts.text
        if content is None:
            raise jinja2.TemplateNotFound(name, f"There is no part {name}.")
        if not source:
            word = "HTML" if self.variant == "html" else "plain text"
            raise jinja2.TemplateNotFound(name, f"The part {name} has no {word}.")
        return explaining.compiled(environment, source, name, globals)
