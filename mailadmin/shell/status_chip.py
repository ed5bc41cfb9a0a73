"""`{% status_chip "Sent" status="sent" %}`: a state as a colored dot and a word. A builtin tag in every template.

The color comes from `status`, a message's status, or from `tone`: good, bad, warn, info or muted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template
from django.utils.html import format_html

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise
    from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def status_chip(word: _StrOrPromise, *, tone: str = "", status: str = "") -> SafeString:
    """Return the chip. The word always names the state, so color is never the only sign."""
    name, value = ("status", status) if status else ("tone", tone or "muted")
    return format_html('<span class="status" data-{}="{}">{}</span>', name, value, word)
