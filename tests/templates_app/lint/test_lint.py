"""What the checks find, where, and whether it is an error or a warning."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from templates_app.content.content import Content, Texts, Variable
from templates_app.lint.lint import lint_mail
from templates_app.lint.mail_clients import LIMITATIONS
from tests.cases import case
from tests.templates_app.files.project_strategies import UNHURRIED

FINE = '<p><a href="https://example.com/">Shop</a> <img src="https://example.com/a.png" alt="Logo"></p>'


@dataclass(frozen=True)
class Mail:
    subject: str = "Hello"
    text: str = "Hello"
    html: str = FINE
    language: str = "en"


def found(html=FINE, *, text="Hello", subject="Hello", tags=(), variables=(), source=None, **more):
    """Lint texts that rendering leaves unchanged, unless `source` is given."""
    content = source or Content({"en": Texts(subject=subject, html=html, text=text)}, variables=tuple(variables))
    return lint_mail(Mail(subject=subject, text=text, html=html), tags, content.variables, content, **more)


def said(findings):
    return [(one.level, one.where, one.line, one.message) for one in findings]


def test_a_good_message_has_no_findings():
    assert found() == []


# ---------------------------------------------------------------- variables


def test_a_name_without_a_value_is_an_error_with_its_line():
    source = Content({"en": Texts(subject="Hi {{ nmae }}", html="<p>\n{{ brand_name }}\n{{ coupon }}</p>", text="x")})
    assert said(found(source=source, shared={"brand_name": "Shop"})) == [
        ("error", "subject", 1, "nmae is neither a variable of this template nor a shared value."),
        ("error", "html", 3, "coupon is neither a variable of this template nor a shared value."),
    ]


def test_a_name_that_is_tested_or_has_a_default_is_a_warning():
    source = Content({"en": Texts(html="{% if coupon is defined %}{{ coupon }}{% endif %}", text="{{ a|default(1) }}")})
    assert [(one.level, one.where) for one in found(source=source)] == [("warning", "html"), ("warning", "text")]


def test_builtin_names_loop_and_variables_are_known():
    text = "{{ language }} {{ base_url }} {% for one in list %}{{ one }}{{ loop.index }}{% endfor %}"
    source = Content({"en": Texts(html=text, text=text)}, variables=(Variable("list", "list"),))
    assert found(source=source) == []


def test_an_unused_variable_is_a_warning_unless_another_language_or_a_part_uses_it():
    variables = (Variable("a"), Variable("b"), Variable("c"))
    source = Content({"en": Texts(html="x"), "de": Texts(html="{{ b }}")}, variables=variables)
    assert said(found(source=source, parts=["{{ c }}"])) == [("warning", "variables", 0, "The variable a is not used.")]


def test_names_are_checked_in_the_rendered_language():
    source = Content({"en": Texts(html="x"), "de": Texts(html="{{ nobody }}")})
    german = lint_mail(Mail(language="de"), (), (), source)
    assert [(one.where, one.language) for one in german] == [("html", "de")]
    assert lint_mail(Mail(), (), (), source) == []


# ---------------------------------------------------------------- what was rendered


def test_a_missing_text_part_and_an_empty_subject_are_errors():
    assert [(one.level, one.where) for one in found(text=" \n", subject=" ")] == [
        ("error", "subject"),
        ("error", "text"),
    ]


def test_template_markup_left_in_the_output_is_an_error_anywhere():
    for left in ["{{ name }}", "{% if a %}", "{# note #}", "name }}", "endif %}"]:
        with case(left):
            raw = "{% raw %}" + left
            source = Content({"en": Texts(subject="x", html=f"<p>\n{raw}</p>", text=f"\n{raw}")})
            findings = found(f"<p>\n{left}</p>", text=f"Hi {left}", subject=f"Hi {left}", source=source)
            assert {one.where for one in findings} == {"subject", "html", "text"}
            assert {one.level for one in findings} == {"error"}
            assert [one.line for one in findings if one.where == "html"] == [2]
            assert found(f'<p title="{left}">x</p>')[0].level == "error"


def test_braces_in_styles_are_not_template_markup():
    assert found("<style>@media print{p{color:red}}</style><p>x</p>") == []


def test_html_that_gmail_would_cut_off_is_reported_with_its_size():
    assert found("<p>" + "ä" * 50_000 + "</p>") == []
    (only,) = found("<p>" + "ä" * 51_000 + "</p>")
    assert (only.level, only.message) == ("warning", "The HTML has 102 kB; Gmail cuts off everything beyond 102 kB.")
    assert only.help_url.startswith("https://")


# ---------------------------------------------------------------- images and links


def test_images_without_alt_are_named_with_their_line():
    html = '<p>\n<img src="https://example.com/a.png">\n<img src="https://example.com/b.png" alt=""></p>'
    assert said(found(html)) == [
        (
            "warning",
            "html",
            2,
            'The image https://example.com/a.png has no alt text; alt="" marks it as decoration.',
        )
    ]


def test_links_that_do_not_work_are_errors_and_doubtful_ones_warnings():
    for address, level in [
        ("http://example.com/", "warning"),
        ("https://localhost/", "warning"),
        ("https://10.0.0.1/", "warning"),
        ("https://[::1]/", "warning"),
        ("https://8.8.8.8/", "warning"),
        ("https://intranet.local/", "warning"),
        ("https://exa mple.com/", "warning"),
        ("https://example.c/", "warning"),
        ("https://", "error"),
        ("https://[::1", "error"),
        ("https://example.com:port/", "error"),
        ("/login/", "error"),
        ("login.html", "error"),
        ("//example.com/", "error"),
        ("javascript:alert(1)", "error"),
        ("file:secret.txt", "error"),
        ("ftp://example.com/", "error"),
        ("", "error"),
        ("#", "error"),
        ("www.example.com", "error"),
    ]:
        with case(address):
            findings = found(f'<p>\n<a href="{address}">x</a></p>')
            assert [one.level for one in findings] == [level]
            if address:
                assert findings[0].line == 2


def test_good_links_and_those_to_the_platform_itself_are_fine():
    for address in [
        "https://example.com/a?b=c&d=%20#e",
        "https://münchen.example/",
        "https://xn--mnchen-3ya.example/",
        "mailto:ann@example.com",
        "tel:+4930123",
        "#top",
        "http://127.0.0.1:8000/account/",
        "http://127.0.0.1:8000",
    ]:
        with case(address):
            assert found(f'<a href="{address}">x</a>', base_url="http://127.0.0.1:8000") == []


def test_an_address_that_only_starts_like_the_platforms_own_is_checked():
    assert found('<a href="http://127.0.0.1:80000/">x</a>', base_url="http://127.0.0.1:8000")


def test_an_insecure_address_written_in_the_text_is_found():
    assert said(found(text="Go\nto http://example.com/x")) == [
        ("warning", "text", 2, "http://example.com/x does not start with https.")
    ]


# ---------------------------------------------------------------- bulk email

SHARED = {"brand_address": "Shop Ltd\n1 Road, London"}
BULK = '<p><a href="https://example.com/unsubscribe">Stop</a> Shop Ltd<br>1&nbsp;Road,\nLondon</p>'
BULK_TEXT = "To unsubscribe: https://example.com/u\nShop Ltd, 1 Road, London"


def test_bulk_email_with_unsubscribe_link_and_postal_address_is_fine():
    assert found(BULK, text=BULK_TEXT, tags=["bulk"], shared=SHARED) == []


def test_bulk_email_needs_unsubscribe_link_and_postal_address_in_both_html_and_text():
    findings = found(tags=["bulk"], shared=SHARED)
    assert {(one.level, one.where) for one in findings} == {("error", "html"), ("error", "text")}
    assert len(findings) == 4
    assert found(tags=["account"], shared=SHARED) == []


def test_an_empty_postal_address_is_a_warning_if_used_and_an_error_if_not():
    source = Content({"en": Texts(html=BULK, text=BULK_TEXT)})
    findings = found(BULK, text=BULK_TEXT, tags=["bulk"], shared={"brand_address": " "}, source=source)
    assert [(one.level, one.where) for one in findings] == [("error", "html"), ("error", "text")]
    parts = ["{{ brand_address }}"]
    findings = found(BULK, text=BULK_TEXT, tags=["bulk"], shared={"brand_address": ""}, source=source, parts=parts)
    assert said(findings) == [
        (
            "warning",
            "variables",
            0,
            "An email with the tag bulk needs your postal address; the shared value brand_address is still empty.",
        )
    ]


def test_a_german_unsubscribe_link_counts():
    html = BULK.replace("Stop", "Newsletter abbestellen").replace("/unsubscribe", "/x")
    assert found(html, text=BULK_TEXT.replace("unsubscribe", "abmelden"), tags=["bulk"], shared=SHARED) == []


# ---------------------------------------------------------------- limitations of mail clients

IMAGE = '<img alt="" src="{}">'


def example(limitation):
    """Return HTML to which the limitation applies."""
    if limitation.kind == "element":
        return (
            '<link rel="stylesheet" href="https://example.com/a.css">x'
            if limitation.name == "link"
            else f"<{limitation.name}>x"
        )
    if limitation.kind == "property":
        value = {
            r"(inline-)?flex": "flex !important",
            r"(inline-)?grid": "inline-grid",
            r"absolute|fixed|sticky": "Absolute",
            r"left|right|inline-.*": "left",
            r".*url\(.*": "#fff url('https://example.com/;a.png')",
        }.get(limitation.value, "1")
        return f'<p style="color: red; {limitation.name}: {value}">x</p>'
    if limitation.kind == "function":
        return f"<style>p {{ color: red; width: {limitation.name}(1) }}</style><p>x</p>"
    if limitation.kind == "rule":
        return f"<style>@{limitation.name} {{ }}</style><p>x</p>"
    return IMAGE.format(
        f"https://example.com/a{limitation.name}?x" if limitation.kind == "image" else "data:image/png;base64,AA"
    )


def test_every_limitation_is_found_with_its_source_and_line():
    for limitation in LIMITATIONS:
        with case(limitation):
            findings = found("<p>x</p>\n" + example(limitation))
            assert [(one.level, one.line, one.help_url) for one in findings] == [("warning", 2, limitation.source)]
            assert all(program in findings[0].message for program in limitation.dropped_by)


def test_what_works_everywhere_is_not_reported():
    for html in [
        '<p style="display: block; position: relative; float: none; background: #fff">x</p>',
        "<style>/* display: flex */ .flex { content: 'display:flex' }</style><p>x</p>",
        "<!--[if mso]><video>x</video><![endif]--><p>x</p>",
        '<link rel="icon" href="x"><p>display: flex</p>',
        IMAGE.format("https://example.com/svg.png"),
        IMAGE.format("cid:logo"),
        "<style>@media (prefers-color-scheme: dark) { p { color: #fff } }</style><p>x</p>",
    ]:
        with case(html):
            assert found(html) == []


def test_a_limitation_is_reported_once_however_often_it_applies():
    assert len(found('<p style="float:left">x</p>' * 9)) == 1


def test_constants_are_not_computed():
    for text in [
        "{{ 'x' * 10**10 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{% set a = range(10**12)|list %}{{ a }}",
        "{{ " + "(" * 9999,
    ]:
        with case(text):
            assert found(source=Content({"en": Texts(subject=text, html=text, text=text)})) == []


def test_names_that_a_source_sets_or_imports_are_known():
    text = (
        "{% from 'mail/parts' import button, card as box %}{% import 'mail/x' as x %}{% set a = 1 %}{{ a }}"
        "{% macro m(b, c=1) %}{{ b }}{{ c }}{{ caller() }}{% endmacro %}{{ m(1) }}{{ button() }}{{ box() }}{{ x.y }}"
        "{% for k, v in [] %}{{ k }}{{ v }}{% endfor %}{% with w = 1 %}{{ w }}{% endwith %}{{ range(3) }}"
    )
    assert found(source=Content({"en": Texts(html=text)})) == []


@given(st.text(max_size=200), st.text(max_size=80))
@UNHURRIED
def test_no_text_breaks_the_checks(html, text):
    source = Content({"en": Texts(subject=text, html=html, text=text)})
    lint_mail(Mail(subject=text, html=html, text=text), ["bulk"], (), source, shared={"brand_address": text})


@given(
    st.lists(st.sampled_from(["<a href='", "<img src=", "'>", "<style>", "{{", "}}", "http://", "[", ":", "{", "x"]))
)
@UNHURRIED
def test_no_broken_markup_breaks_the_checks(pieces):
    html = "".join(pieces)
    lint_mail(Mail(html=html), (), (), Content({"en": Texts(html=html)}))
