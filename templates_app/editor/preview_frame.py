"""Shows a rendered message in light or dark mode in the editor's frame, whatever the browser prefers.

`library.version_preview` keeps the frame harmless.
"""

from __future__ import annotations

import re

COLOR_SCHEME_QUERY = re.compile(r"\(\s{0,9}prefers-color-scheme\s{0,9}:\s{0,9}(dark|light)\s{0,9}\)", re.IGNORECASE)
ALWAYS_TRUE, NEVER_TRUE = "(min-width: 0)", "(max-width: 0)"


def with_color_scheme(html: str, *, dark: bool) -> str:
    """Return `html` as it looks in dark or light mode."""
    scheme = "dark" if dark else "light"
    shown = COLOR_SCHEME_QUERY.sub(lambda match: ALWAYS_TRUE if match[1].lower() == scheme else NEVER_TRUE, html)
    # Mail clients, too, leave a message unchanged if it does not mention color schemes.
    style = f"<style>:root{{color-scheme:{scheme} !important}}</style>" if "color-scheme" in html.lower() else ""
    return style + shown
