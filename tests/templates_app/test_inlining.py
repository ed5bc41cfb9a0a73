"""Filling texts into a kept, inlined skeleton gives exactly what inlining the whole gives."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markupsafe import Markup, escape

from templates_app.engine import css_inlining, plain_html
from templates_app.engine.css_inlining import StyleError, inline, inline_whole, plan_of, skeleton_of

# Pieces of HTML that a template may consist of, in any order and mostly broken.
PIECES = [
    "<html><head>", "</head><body>", "</body></html>", "<style>", "</style>", "<title>", "</title>", "<!-- ", " -->",
    "<style>p { color: ", "<style>p { color: red } a[title] { margin: 1px } p:empty { top: 0 }</style>", " }</style>",
    "<style>[href='Ann'] { left: 0 } .Ann { right: 0 } #Ann { top: 1px } td:first-child { margin: 0 }</style>",
    "<style>@media (max-width: 1px) { p { color: ", " } }</style>", "<style>p { color: red }</style>",
    "<p>", "</p>", "<p style='color: ", '<p class="', "<p id=",
    '<a href="', '<a title="', "<a title='", '">', "'>", ">",
    '<img src="', '" alt="', '<a title="x" title="', "</a>", "<b>", "<i>", "</b>", "</i>", "<br/>", "<ul><li>",
    "<table>", "<tr>", "<td>", '<td title="', "</td>", "</table>", "<pre>", "</pre>", "<textarea>", "<svg>", "<select>",
    "&", "&am", "&#", "p;", "lt;", " ", "\n", "x", "é", "<", '"', "'", "=", "<!doctype html>", "<![if mso]>", "<meta ",
]  # fmt: skip
TEXTS = [
    "Ann", "a b", "<x>", '"q"', "it's", "a&b", "&amp;", "amp;", "lt;", "\xa0x", " lead", "trail ", "\nline", "", " ",
    "1", "red", "x y=z", "https://example.com/?a=1&b=2", "İ", "\u2028", ">", "-->", "\t", "{{", "/", "K",
]  # fmt: skip
LONG = "a long <value>"

static = st.sampled_from(PIECES)
text = st.sampled_from(TEXTS).map(escape)
macro = st.sampled_from([Markup("<a href='%s'>%s</a>"), Markup("<p class='%s'>%s"), Markup("%s&%s")]).map(
    lambda made: made % (LONG, LONG)
)
sound = st.sampled_from(
    [
        ["<p>", escape("Ann & <Bob>"), "</p>"],
        ['<a href="https://example.com/', escape("?a=1&b='2'"), '">', escape("there"), "</a>"],
        ["<p class='", escape("Ann"), "'>x</p>"],
        ["<table><tr><td title='", escape("\xa0\"'<"), "'>", escape("1"), "</td></tr></table>"],
        ["<style>p { color: ", escape("blue"), " }</style>"],
    ]
)
soup = st.lists(st.one_of(static, text, macro))
documents = st.lists(st.one_of(soup, sound), max_size=6).map(lambda groups: [one for group in groups for one in group])


def outcome(function):
    try:
        return function()
    except StyleError as error:
        return str(error)


@settings(max_examples=1000, deadline=None)
@given(documents)
@example(["<table>", escape("x"), "<tr><td>"])
@example(["<pre>", escape("\nx"), "</pre>"])
@example(["<p>&", escape("lt;"), "</p>"])
@example(["<p>&am", escape("p;"), "</p>"])
@example(["<style>[title='Ann'] { top: 0 }</style><p title='", escape("Ann"), "'>x"])
@example(["<style>.Ann { top: 0 }</style><p class='", escape("Ann"), "'>x"])
@example(["<style>p:empty { top: 0 }</style><p>", escape(""), "</p>"])
@example(["<a href='1'><p><a href='", escape("2"), "'>x</p>y</a>"])
@example(["<a title='x' title='", escape("2"), "'>"])
@example(["<a title=", escape("2 onclick=3"), ">x"])
@example(["<body><title>", escape("Ann & <Bob>"), "</title>"])
@example(["<p>\ue0000\ue001", escape("Ann"), "</p>"])
def test_what_is_filled_in_is_what_inlining_the_whole_gives(chunks):
    whole = outcome(lambda: inline_whole("".join(chunks)))
    assert outcome(lambda: inline(chunks, [str.__str__(escape(LONG))])) == whole
    assert outcome(lambda: inline(chunks, [str.__str__(escape(LONG))])) == whole  # from what is kept now


def test_mails_that_differ_in_texts_share_a_skeleton():
    plan_of.cache_clear()
    for number in range(50):
        url = escape(f"https://example.com/?id={number}&x=1")
        chunks = ["<style>p { color: ", escape("red"), " }</style><p>", escape(f"Ann {number}"), "</p>"]
        chunks.append(Markup("<a href='%s'>Go</a>") % Markup(url))
        assert f"id={number}&amp;x=1" in inline(chunks, [str.__str__(url)])
    assert plan_of.cache_info().misses == 2  # one to see that the colour belongs to the skeleton, one to inline it


@pytest.mark.parametrize("tag", sorted(plain_html.SPECIAL))
def test_elements_with_rules_of_their_own_are_inlined_as_a_whole(tag):
    skeleton, _ = skeleton_of([f"<{tag}>", escape("x"), f"</{tag}>"], [])
    assert skeleton is not None
    assert plan_of(skeleton) == css_inlining.Plan()


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 100_000,
        "<div></b>" * 50_000,
        "<div><!-- </div> -->" * 40_000,
        "<div title='</div>'>" * 40_000,
        "<div><table><tr><td></div></table>" * 20_000,
        "<svg><td>" * 50_000,
        "<b><i>" * 50_000,
        "<div <div " * 50_000,
        "<div><style></div></style>" * 20_000,
    ],
)
def test_html_that_is_nested_too_deeply_is_refused_instead_of_crashing(html):
    with pytest.raises(StyleError, match=r"nested|without errors"):
        inline_whole(f"<style>p {{ color: red }}</style>{html}")


def test_large_tables_are_inlined():
    rows = "<tr><td><p class='a'>x<br>y</p></td><td><a href='https://example.com/'>z</a></td></tr>" * 2_000
    html = inline_whole(f"<style>.a {{ color: red }}</style><table>{rows}</table>")
    assert html.count('style="color: red;"') == 2_000
