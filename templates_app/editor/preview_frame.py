"""A rendered mail in light or dark, for the frame of the editor, whatever the system of whoever looks prefers.

What makes the frame harmless is `showing`'s.
"""

from __future__ import annotations

import re

COLOR_SCHEME_QUERY = re.compile(r"\(\s{0,9}prefers-color-scheme\s{0,9}:\s{0,9}(dark|light)\s{0,9}\)", re.IGNORECASE)
ALWAYS_TRUE, NEVER_TRUE = "(min-width: 0)", "(max-width: 0)"


def with_color_scheme(html: str, *, dark: bool) -> str:
    """Return `html` as a reader sees it who prefers dark, or light."""
    scheme = "dark" if dark else "light"
    shown = COLOR_SCHEME_QUERY.sub(lambda match: ALWAYS_TRUE if match[1].lower() == scheme else NEVER_TRUE, html)
    # A mail that says nothing about colour schemes stays as it is in mail programs, too.
    style = f"<style>:root{{color-scheme:{scheme} !important}}</style>" if "color-scheme" in html.lower() else ""
    return style + shown
