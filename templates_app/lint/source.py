"""Finds the names that a template's source uses, and where. Only parses it: compiling may compute forever.

Scopes are not followed: a name that is set anywhere in a source counts as known in all of it. Rendering the samples
finds the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import jinja2
from jinja2 import nodes

environment = jinja2.Environment(autoescape=True)  # only parses
JINJA_NAMES = frozenset({"loop", "self", "super", "caller", "varargs", "kwargs", "true", "false", "none"})
ENGINE_FUNCTIONS = frozenset({"range", "dict", "namespace", "cycler", "joiner"})  # that the engine allows


@dataclass(frozen=True, slots=True)
class NameUse:
    """The first use of a name. `guarded`: somewhere it is tested for being defined, or has a default."""

    line: int
    guarded: bool


def names_in(source: str) -> dict[str, NameUse]:
    """Return the names that `source` uses and does not set; none if its syntax is invalid."""
    try:
        tree = environment.parse(source)
        return free_names(tree)
    except (jinja2.TemplateError, RecursionError):
        return {}


def free_names(tree: nodes.Template) -> dict[str, NameUse]:
    lines: dict[str, int] = {}
    known = set(JINJA_NAMES | ENGINE_FUNCTIONS)
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load":
            lines[name.name] = min(name.lineno, lines.get(name.name, name.lineno))
        else:
            known.add(name.name)
    for macro in tree.find_all(nodes.Macro):
        known.add(macro.name)
    for whole in tree.find_all(nodes.Import):
        known.add(whole.target)
    for some in tree.find_all(nodes.FromImport):
        known.update(name if isinstance(name, str) else name[1] for name in some.names)
    asked = set()
    for node in tree.find_all((nodes.Test, nodes.Filter)):
        if node.name in {"defined", "undefined", "default", "d"} and isinstance(node.node, nodes.Name):
            asked.add(node.node.name)
    return {name: NameUse(lines[name], name in asked) for name in sorted(lines) if name not in known}
