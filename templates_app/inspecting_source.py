"""Which names a template's source uses, and where. Reads Jinja's syntax tree; renders nothing."""

from __future__ import annotations

from dataclasses import dataclass

import jinja2
from jinja2 import meta, nodes

environment = jinja2.Environment(autoescape=True)  # only parses


@dataclass(frozen=True, slots=True)
class Use:
    """Where a name is used first. `guarded`: each use asks first whether it is there, or says what else to show."""

    line: int
    guarded: bool


def names_in(source: str) -> dict[str, Use]:
    """Return the names that `source` takes from outside; nothing for a source that is not valid."""
    try:
        tree = environment.parse(source)
        outside = meta.find_undeclared_variables(tree)
    except (jinja2.TemplateError, RecursionError):
        return {}
    asked = set()
    for node in (*tree.find_all(nodes.Test), *tree.find_all(nodes.Filter)):
        if node.name in {"defined", "undefined", "default", "d"} and isinstance(node.node, nodes.Name):
            asked.add(node.node.name)
    lines: dict[str, int] = {}
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load":
            lines[name.name] = min(name.lineno, lines.get(name.name, name.lineno))
    return {name: Use(lines.get(name, 0), name in asked) for name in sorted(outside)}
