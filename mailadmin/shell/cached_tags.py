"""Template tags whose output no page changes: icons, words, addresses and files that are written out in the template.

An icon is drawn when the template is compiled, words are looked up once for each language, addresses once for each
place where the pages are. The list of mails has sixty words, thirty icons and twenty addresses, and looking them up
anew took a tenth of its time. They need no `load`. Tags with variables are Django's and lucide's, unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from django import template
from django.template.base import FilterExpression, Node, Parser, TextNode, Token, Variable
from django.template.context import Context
from django.template.defaulttags import URLNode
from django.template.defaulttags import url as compiled_url
from django.templatetags.i18n import TranslateNode, do_translate
from django.templatetags.static import StaticNode, do_static
from django.urls import get_script_prefix, get_urlconf
from django.utils.translation import get_language

from config import icons

register = template.Library()


class FixedNode(Node):
    """A tag that is rendered once for each value of `key`, which is all that its output depends on.

    `name`: the variable that it sets (``as``) instead of saying anything, if it does.
    """

    def __init__(self, node: Node, key: Callable[[], Hashable], name: str | None = None) -> None:
        self.node, self.key, self.name = node, key, name
        self.kept: dict[Hashable, str] = {}

    def render(self, context: Context) -> str:
        """Return what the tag says. Raises what it raises, and keeps nothing then."""
        key, name = self.key(), self.name
        found = self.kept.get(key)
        if found is None:
            said = self.node.render(context)
            found = self.kept[key] = context[name] if name else said
        if name is None:
            return found
        context[name] = found
        return ""


@register.tag("translate")
def words(parser: Parser, token: Token) -> Node:
    """Return Django's tag, kept by language where it has nothing but words."""
    node: TranslateNode = do_translate(parser, token)
    fixed = not node.message_context and is_literal(node.filter_expression)
    return FixedNode(node, get_language, node.asvar) if fixed else node


@register.tag("url")
def address(parser: Parser, token: Token) -> Node:
    """Return Django's tag, kept by prefix and table of addresses where it has nothing but a page's name."""
    node: URLNode = compiled_url(parser, token)
    fixed = not (node.args or node.kwargs) and is_literal(node.view_name)
    return FixedNode(node, mounted, node.asvar) if fixed else node


@register.tag("static")
def file(parser: Parser, token: Token) -> Node:
    """Return Django's tag, kept where it names a file."""
    node: StaticNode = do_static(parser, token)
    return FixedNode(node, mounted, node.varname) if is_literal(node.path) else node


@register.tag("lucide")
def icon(parser: Parser, token: Token) -> Node:
    """Return the icon itself, where the template says which."""
    node: Any = icons.register.tags["lucide"](parser, token)
    fixed = not node.target_var and all(map(is_literal, [*node.args, *node.kwargs.values()]))
    return TextNode(node.render(Context())) if fixed else node


def is_literal(expression: FilterExpression) -> bool:
    """Return whether this is text or a number, without a filter."""
    var: Any = expression.var
    return not expression.filters and (not isinstance(var, Variable) or var.lookups is None)


def mounted() -> tuple[str, str | None]:
    """Return where the pages are, and by which table of addresses."""
    return get_script_prefix(), get_urlconf()
