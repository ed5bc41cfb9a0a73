"""Compiles templates and the parts that they use in Jinja2's sandbox, one sandbox for each language and kind of text.

Pure, without Django. The code of a text that was compiled before is kept, whichever template it was compiled for: a
layout is compiled once. Code is never written to disk or read from there, where somebody else could put it.
"""

from __future__ import annotations

import html as _html  # noqa: F401  # striptags and wordwrap import these two on first use, and Jinja its debug module
import textwrap  # noqa: F401  # on the first error, when a child of the workshop can open no files any more
import threading
from collections.abc import Mapping, MutableMapping
from types import CodeType
from typing import Any

import jinja2
import jinja2.debug
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from templates_app.content.content import Content
from templates_app.engine import jinja_filters
from templates_app.engine.parts import full_key

ALLOWED_GLOBALS = ("range", "dict", "namespace", "cycler", "joiner")
REMOVED_FILTERS = ("pprint", "random")  # one shows what objects are inside, one makes the mail another than the preview
MAX_CACHED = 1_000  # compiled texts
WRITABLE = (str, int, float, list, tuple, dict, jinja2.Undefined)  # the last one says itself what is wrong


class Undefined(jinja2.StrictUndefined):
    """What is not there cannot be written, not even inside a list."""

    __slots__ = ()
    __repr__ = jinja2.StrictUndefined.__str__


class Environment(ImmutableSandboxedEnvironment):
    """The sandbox for texts in `language`, for HTML (which is escaped) or plain text.

    Parts come in the language of the body, which is also what the templates know as ``language``.
    """

    def __init__(
        self, parts: Mapping[str, Content], shared: Mapping[str, str], *, html: bool, language: str, body_language: str
    ) -> None:
        super().__init__(
            undefined=Undefined,
            autoescape=html,
            finalize=finalize,
            keep_trailing_newline=True,
            auto_reload=False,
            loader=PartLoader(parts, html=html, language=body_language),
        )
        self.identity = (html, language)  # what the code of a text depends on, beside the text
        self.globals = {**{name: self.globals[name] for name in ALLOWED_GLOBALS}, **shared, "language": body_language}
        for name in REMOVED_FILTERS:
            del self.filters[name]
        self.filters.update(jinja_filters.filters_for(language))

    def join_path(self, template: str, parent: str) -> str:
        """Return the whole key of a part: ``footer`` means the one in the same project."""
        return full_key(template, parent)

    def compiled(self, source: str, name: str, more_globals: MutableMapping[str, Any] | None = None) -> jinja2.Template:
        """Return `source` compiled; its `name` is what problems are told with. Raises what Jinja raises."""
        key = (*self.identity, name, source)
        code = _codes.get(key)
        if code is None:
            tree = self.parse(source, name, name)  # the second is the name that the lexer tells
            check_part_names(tree, name)
            code = self.compile(tree, name, f"<{name}>")
            with _lock:
                if len(_codes) >= MAX_CACHED:
                    _codes.clear()
                _codes[key] = code
        # A plain dict: each rendering copies it, and copying Jinja's ChainMap was a tenth of queueing a mail.
        return self.template_class.from_code(self, code, dict(self.make_globals(more_globals)))


_codes: dict[tuple[bool, str, str, str], CodeType] = {}
_lock = threading.Lock()


def finalize(value: Any) -> Any:
    """Return what is written of `value`: nothing of None, which optional values are.

    Raises TemplateRuntimeError for what would be written as an object, <generator object at 0x7f...>, say.
    """
    if value is None:
        return ""
    if isinstance(value, WRITABLE):
        return value
    raise jinja2.TemplateRuntimeError(
        'this is neither text nor a number nor a list: map and its like need |join(", ") behind them, a macro its ( )'
    )


def check_part_names(tree: nodes.Template, name: str) -> None:
    """Raise TemplateSyntaxError if a part's name is computed: all parts must be known beforehand."""
    for node in tree.find_all((nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)):
        part = getattr(node, "template", None)
        if not isinstance(part, nodes.Const) or not isinstance(part.value, str):
            raise jinja2.TemplateSyntaxError(
                "name the part outright, as one text in quotation marks", node.lineno, name
            )


class PartLoader(jinja2.BaseLoader):
    """Gives Jinja the parts in one language, as HTML or as plain text."""

    def __init__(self, parts: Mapping[str, Content], *, html: bool, language: str) -> None:
        self.parts = parts
        self.html = html
        self.language = language

    def load(
        self,
        environment: jinja2.Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002  # the name is Jinja's
    ) -> jinja2.Template:
        """Return a part, compiled. Raises TemplateNotFound and what compiling raises."""
        content = self.parts.get(name)
        if content is None or not isinstance(environment, Environment):
            raise jinja2.TemplateNotFound(name, f"There is no part {name[:101]}.")
        texts = content.body_in(self.language)[0]
        source = texts.html if self.html else texts.text
        if not source:
            word = "HTML" if self.html else "plain text"
            raise jinja2.TemplateNotFound(name, f"The part {name} has no {word}.")
        return environment.compiled(source, name, globals)
