"""Finds the parts that a template uses, which is possible because their names are never computed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from templates_app.content.content import Content

# Where Jinja reads part names, and in comments too, which does no harm.
PART_TAG = re.compile(r"""\{%[-+]?\s*(?:extends|include|import|from)\s*(?:"([^"\\]{1,200})"|'([^'\\]{1,200})')""")


def full_key(name: str, parent: str) -> str:
    """Return ``project/key`` for the name of a part in the template or part `parent`."""
    return name if "/" in name else f"{parent.partition('/')[0]}/{name}"


def parts_used_in(content: Content, key: str) -> set[str]:
    """Return the full keys of the parts that `content`, that of `key`, uses directly."""
    texts = (text for one in content.languages.values() for text in (one.subject, one.html, one.text))
    return parts_used_in_texts(texts, key)


def parts_used_in_texts(texts: Iterable[str], key: str) -> set[str]:
    """Return the full keys of the parts that these texts of `key` use directly."""
    return {full_key(double or single, key) for text in texts for double, single in PART_TAG.findall(text)}
