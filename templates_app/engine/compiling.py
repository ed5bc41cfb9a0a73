"""Compiles templates and the parts that they use, in one Jinja sandbox per language and kind of text.

Without Django. Compiled code is cached by source text, so a layout is compiled once for all templates. It is never
written to disk or read from there, where others could plant code.
"""

from __future__ import annotations

import html as _html  # noqa: F401  # striptags and wordwrap import these two on first use, and Jinja its debug module on
import textwrap  # noqa: F401  # the first error: too late in the sandbox, whose children cannot open files
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
REMOVED_FILTERS = ("pprint", "random")  # shows the inside of objects; makes the preview differ from the mail
MAX_CACHED = 1_000  # compiled texts
WRITABLE = (str, int, float, list, tuple, dict, jinja2.Undefined)  # Undefined raises its own error


class Undefined(jinja2.StrictUndefined):
    """An undefined value, which raises an error when written, even inside a list."""

    __slots__ = ()
    __repr__ = jinja2.StrictUndefined.__str__


class Environment(ImmutableSandboxedEnvironment):
    """The Jinja sandbox for texts in `language`: HTML, which is escaped, or plain text.

    Parts are taken in `body_language`, which is also the templates' variable ``language``.
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
        self.identity = (html, language)  # what compiled code depends on besides its source
        self.globals = {**{name: self.globals[name] for name in ALLOWED_GLOBALS}, **shared, "language": body_language}
        for name in REMOVED_FILTERS:
            del self.filters[name]
        self.filters.update(jinja_filters.filters_for(language))

    def join_path(self, template: str, parent: str) -> str:
        """Return the full key of a part: ``footer`` is the one in the same project."""
        return full_key(template, parent)

    def compiled(self, source: str, name: str, more_globals: MutableMapping[str, Any] | None = None) -> jinja2.Template:
        """Return `source` compiled; problems are reported under `name`. Raises Jinja's exceptions."""
        key = (*self.identity, name, source)
        code = _codes.get(key)
        if code is None:
            tree = self.parse(source, name, name)  # the second is the lexer's file name
            check_part_names(tree, name)
            code = self.compile(tree, name, f"<{name}>")
            with _lock:
                if len(_codes) >= MAX_CACHED:
                    _codes.clear()
                _codes[key] = code
        # A plain dict: each rendering copies it, and copying Jinja's ChainMap took a tenth of queueing a message.
        return self.template_class.from_code(self, code, dict(self.make_globals(more_globals)))


_codes: dict[tuple[bool, str, str, str], CodeType] = {}
_lock = threading.Lock()


def finalize(value: Any) -> Any:
    """Return `value` as it is to be written; None, a missing optional value, as empty text.

    Raises TemplateRuntimeError for what would come out as, say, <generator object at 0x7f...>.
    """
    if value is None:
        return ""
    if isinstance(value, WRITABLE):
        return value
    raise jinja2.TemplateRuntimeError(
        'this is neither text nor a number nor a list: map and the like need |join(", ") after them, a macro its ( )'
    )


def check_part_names(tree: nodes.Template, name: str) -> None:
    """Raise TemplateSyntaxError if a part's name is computed: all parts must be known before rendering."""
    for node in tree.find_all((nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)):
        part = getattr(node, "template", None)
        if not isinstance(part, nodes.Const) or not isinstance(part.value, str):
            raise jinja2.TemplateSyntaxError("write the part's name as one text in quotation marks", node.lineno, name)


class PartLoader(jinja2.BaseLoader):
    """Loads the parts in one language, as HTML or as plain text."""

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
        """Return a part, compiled. Raises TemplateNotFound, and Jinja's exceptions from compiling."""
        content = self.parts.get(name)
        if content is None or not isinstance(environment, Environment):
            raise jinja2.TemplateNotFound(name, f"There is no part {name[:101]}.")
        texts = content.body_in(self.language)[0]
        source = texts.html if self.html else texts.text
        if not source:
            word = "HTML" if self.html else "plain text"
            raise jinja2.TemplateNotFound(name, f"The part {name} has no {word}.")
        return environment.compiled(source, name, globals)
