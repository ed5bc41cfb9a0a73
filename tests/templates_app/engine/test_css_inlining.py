"""HTML that would overflow css-inline's stack is refused; long tables and lists are inlined."""

import re

from templates_app.engine.css_inlining import StyleError, inline

STYLE = "<style>.a { color: red }</style>"


def refusal(html):
    try:
        inline(f"{STYLE}{html}")
    except StyleError as error:
        return str(error)
    return "accepted"


def test_html_that_is_nested_too_deeply_is_refused_instead_of_crashing():
    for html in (
        "<div>" * 100_000,
        "<div></b>" * 50_000,
        "<div><!-- </div> -->" * 40_000,
        "<div title='</div>'>" * 40_000,
        "<div><table><tr><td></div></table>" * 20_000,
        "<svg><td>" * 50_000,
        "<b><i>" * 50_000,
        "<div <div " * 50_000,
        "<div><style></div></style>" * 20_000,
        "<li><dd>" * 50_000,
        "<dd></dt><li>" * 40_000,
        "<b><li></b><b><dd></b>" * 20_000,
        "<span><p></span></p>" * 40_000,
    ):
        assert re.search("nested|markup errors", refusal(html)), html[:40]


def test_large_tables_and_lists_are_inlined():
    rows = "<tr><td><p class='a'>x<br>y</p></td><td><a href='https://example.com/'>z</a></td></tr>" * 2_000
    for html in (
        f"<table>{rows}</table>",
        "<ul>" + "<li><p class='a'>x" * 2_000 + "</ul>",
        "<ul><li class='a'>x<li>y</ul>" * 2_000,
        "<dl>" + "<dt class='a'>x<dd><p>y" * 2_000 + "</dl>",
        "<table>" + "<tr><td class='a'>x<td><p>y" * 2_000 + "</table>",
        "<table><tr><td><div><p class='a'>x</div></table>" * 2_000,
    ):
        assert inline(f"{STYLE}{html}").count('style="color: red;"') == 2_000, html[:40]
