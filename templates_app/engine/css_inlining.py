"""Inlines the CSS of rendered HTML, because many mail clients ignore style sheets."""

from __future__ import annotations

import css_inline

from templates_app.engine.nesting import TooDeepError, check_depth

_inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


class StyleError(ValueError):
    """CSS cannot be inlined; the message is a sentence for people."""


def inline(html: str) -> str:
    """Return `html` with its CSS inlined; at-rules (@media, dark mode) stay in the head. Raises StyleError.

    Nothing is loaded from URLs or files.
    """
    try:
        check_depth(html)
        return _inliner.inline(html)
    except TooDeepError as error:
        raise StyleError(str(error)) from error
    except css_inline.InlineError as error:
        raise StyleError(f"The CSS cannot be read: {error}.") from error
