"""A rendered mail, made ready for the sandboxed frame of the editor, in light or dark whatever the system prefers.

What keeps it harmless is the response (see `POLICY`): no scripts, nothing fetched, no form, an origin of its own.
"""

from __future__ import annotations

import re

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'"
)
# Chromium connects to the host of these before it refuses them. Every repetition is bounded.
CONNECTING = re.compile(r"<(?=(?:link|iframe|frame|fencedframe|object|embed|portal)[\s/>])", re.IGNORECASE)
PREFERS = re.compile(r"\(\s{0,9}prefers-color-scheme\s{0,9}:\s{0,9}(dark|light)\s{0,9}\)", re.IGNORECASE)
HEAD = '<!doctype html><meta charset="utf-8"><base target="_blank">'
ALWAYS, NEVER = "(min-width: 0)", "(max-width: 0)"


def framed(html: str, *, dark: bool) -> str:
    """Return the document for the frame. `dark` turns the mail's rules for dark mode on, else they are off."""
    scheme = "dark" if dark else "light"
    shown = PREFERS.sub(lambda match: ALWAYS if match[1].lower() == scheme else NEVER, html)
    # A mail that says nothing about colour schemes stays as it is in mail programs, too.
    style = f"<style>:root{{color-scheme:{scheme} !important}}</style>" if "color-scheme" in html.lower() else ""
    return HEAD + style + CONNECTING.sub("<x-", shown)
