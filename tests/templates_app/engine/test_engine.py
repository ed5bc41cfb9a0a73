"""What templates can do, what they cannot reach, and how their problems are reported."""

import keyword
from typing import Any

import pytest

from templates_app.content.content import RESERVED, VARIABLE_NAME, ContentError
from templates_app.engine.engine import Bundle, render_bundle
from templates_app.engine.template_errors import TemplateError
from tests.cases import case
from tests.templates_app.transfer.bundles import bundle_of, content_of


def html(source, values=None, **more):
    """Return the rendered body."""
    rendered = render_bundle(bundle_of(source, **more), values or {})
    return rendered.html.split("<body>")[1].split("</body>")[0]


def problems(source="<p>x</p>", values=None, **more):
    with pytest.raises(TemplateError) as caught:
        render_bundle(bundle_of(source, **more), values or {})
    return caught.value.problems


# ---------------------------------------------------------------- escaping


def test_html_is_escaped():
    assert html("<p>{{ name }}</p>", {"name": "<b>&"}, variables="name") == "<p>&lt;b&gt;&amp;</p>"


def test_text_and_subject_are_not_escaped():
    bundle = bundle_of(subject="For {{ name }}", text="Hello {{ name }}", variables="name")
    rendered = render_bundle(bundle, {"name": "Ann & <Bob>"})
    assert (rendered.subject, rendered.text, rendered.html) == ("For Ann & <Bob>", "Hello Ann & <Bob>\n", "")


def test_a_subject_is_one_line():
    rendered = render_bundle(bundle_of("x", subject="A\n{{ name }}", variables="name"), {"name": "b\r\nBcc: c\u2028d"})
    assert rendered.subject == "A b Bcc: c d"


def test_text_that_claims_to_be_safe_is_escaped_all_the_same():
    class Safe(str):
        __slots__ = ()

        def __html__(self):
            return self

    assert html("{{ name }}", {"name": Safe("<b>")}, variables="name") == "&lt;b&gt;"


def test_values_are_not_rendered_as_templates():
    assert html("{{ name }}", {"name": "{{ 7 * 7 }}"}, variables="name") == "{{ 7 * 7 }}"


def test_a_missing_optional_value_is_empty():
    declared = [{"name": "name", "required": False}]
    assert html("<p>Hello{% if name %} {{ name }}{% endif %}{{ name }}</p>", declared=declared) == "<p>Hello</p>"


# ---------------------------------------------------------------- languages


def test_parts_follow_the_language_of_the_body_and_fall_back_separately():
    parts = {
        "test/footer": content_of(html="<i>Bye {{ brand_name }}</i>", de={"html": "<i>Ciao {{ brand_name }}</i>"}),
        "test/legal": content_of(html="<i>legal</i>"),
    }
    source = "{{ language }}{% include 'footer' %}{% include 'test/legal' %}"
    bundle = bundle_of(source, parts=parts, de={"html": f"DE{source}"})
    assert "<body>DEde<i>Ciao Brand</i><i>legal</i></body>" in render_bundle(bundle, {}, "de-AT").html
    assert "<body>en<i>Bye Brand</i><i>legal</i></body>" in render_bundle(bundle, {}, "fr").html
    assert render_bundle(bundle, {}, "de-AT").language == "de"


def test_a_subject_in_another_language_than_the_body_formats_numbers_in_its_own():
    bundle = bundle_of("<p>{{ 1.5|number }}</p>", subject="x", de={"subject": "{{ 1.5|number }}"})
    rendered = render_bundle(bundle, {}, "de")
    assert (rendered.subject, rendered.language) == ("1,5", "en")
    assert "<p>1.5</p>" in rendered.html


def test_filters_format_as_the_language_does():
    for language, expression, result in [
        ("en", "'2026-03-01'|date", "Mar 1, 2026"),
        ("de", "'2026-03-01'|date('long')", "1. März 2026"),
        ("de", "'2026-03-01T12:30:00+01:00'|datetime('short')", "01.03.26, 12:30"),
        ("de", "'12:30'|time", "12:30"),
        ("de", "1234567.891|number(2)", "1.234.567,89"),
        ("en", "1234.5|number", "1,234.5"),
        ("de", "19.9|money('EUR')", "19,90\xa0€"),
        ("en", "19.9|money('EUR')", "€19.90"),
        ("de", "0.256|percent(1)", "25,6\xa0%"),
        ("xx", "0.25|percent", "25%"),
        ("en", "none|date", ""),
        ("en", "none|money('EUR')", ""),
    ]:
        with case(language, expression):
            source = f"[{{{{ {expression} }}}}]"
            texts: dict[str, Any] = {language: {"text": source, "subject": "x"}} if language != "en" else {}
            assert render_bundle(bundle_of(text=source, **texts), {}, language).text == f"[{result}]\n"


def test_filters_say_what_they_need():
    for expression, message in [
        ("'soon'|date", "“soon” is not a date such as 2026-03-01."),
        ("'2026-03-01'|date('tiny')", "“tiny” is not one of short, medium, long, full."),
        ("1|money('EURO')", "“EURO” is not a currency such as EUR."),
        ("'x'|number", "“x” is not a number that can be formatted."),
        ("[1]|date", "This filter needs text, not list."),
        ("1|number(99)", "A number can have 0 to 10 decimals."),
    ]:
        with case(expression):
            (problem,) = problems(f"\n{{{{ {expression} }}}}")
            assert (problem.line, problem.message) == (2, message)


# ---------------------------------------------------------------- parts


def test_a_template_extends_a_layout_and_uses_macros_that_know_shared_values():
    parts = {
        "mail/layout": content_of(html="<main>{% block content %}{% endblock %}</main>"),
        "mail/parts": content_of(html="{% macro mark(word) %}<b title='{{ brand_name }}'>{{ word }}</b>{% endmacro %}"),
    }
    source = (
        "{% extends 'mail/layout' %}{% from 'mail/parts' import mark %}{% block content %}{{ mark('<') }}{% endblock %}"
    )
    assert html(source, parts=parts) == '<main><b title="Brand">&lt;</b></main>'


def test_plain_text_uses_the_plain_text_of_parts():
    parts = {"test/foot": content_of(html="<p>HTML</p>", text="TEXT")}
    assert render_bundle(bundle_of(text="{% include 'foot' %}", parts=parts), {}).text == "TEXT\n"


def test_a_missing_part_or_missing_text_of_a_part_is_reported_with_its_line():
    (problem,) = problems("\n\n{% include 'foot' %}")
    assert (problem.line, problem.message) == (3, "There is no part test/foot.")
    parts = {"test/foot": content_of(html="<p>HTML</p>")}
    (problem,) = problems("", text="{% include 'foot' %}", parts=parts)
    assert (problem.part, problem.message) == ("text", "The part test/foot has no plain text.")


def test_names_of_parts_are_not_computed():
    for name in ["name", "'a' ~ 'b'", "['a', 'b']", "none"]:
        with case(name):
            (problem,) = problems(f"{{% include {name} %}}", {"name": "test/foot"}, variables="name")
            assert problem.message == "Write the part's name as one text in quotation marks."


def test_a_problem_in_a_part_says_who_used_it():
    parts = {"mail/foot": content_of(html="<p>\n{{ nobody }}</p>")}
    (problem,) = problems("\n\n{% include 'mail/foot' %}", parts=parts)
    assert (problem.template, problem.part, problem.line) == ("mail/foot", "html", 2)
    assert problem.message.endswith("(used in test/mail, line 3)")


def test_parts_that_use_each_other_are_a_problem():
    parts = {"test/a": content_of(html="{% include 'b' %}"), "test/b": content_of(html="{% include 'a' %}")}
    (problem,) = problems("{% include 'a' %}", parts=parts)
    assert problem.message.startswith("Something here uses itself endlessly")


def test_a_part_is_rendered_alone_without_a_subject():
    bundle = Bundle(key="mail/foot", content=content_of(html="<p>x</p>"), is_part=True)
    assert "<p>x</p>" in render_bundle(bundle, {}).html


# ---------------------------------------------------------------- plain text from HTML


def test_plain_text_is_made_from_html_where_there_is_none():
    source = (
        "<style>p { color: red } .no { display: none }</style><h1>Hello</h1><p class='no'>hidden</p>"
        "<p>Go <a href='https://example.com/a'>there</a> or <a href='https://example.com/b'>https://example.com/b</a></p>"
    )
    assert render_bundle(bundle_of(source), {}).text == (
        "Hello\n\nGo there (https://example.com/a) or https://example.com/b\n"
    )


def test_plain_text_of_deep_html_is_made_or_is_a_problem():
    deep = "<div>" * 400 + "far inside"
    assert render_bundle(bundle_of(deep), {}).text == "far inside\n"
    (problem,) = problems("<div>" * 1_400 + "further inside")
    assert (problem.part, problem.message) == ("text", "No plain text can be made from this HTML. Write it yourself.")


# ---------------------------------------------------------------- CSS


def test_css_is_inlined_and_media_queries_stay():
    source = "<style>p { color: red } @media (prefers-color-scheme: dark) { p { color: blue } }</style><p>x</p>"
    rendered = render_bundle(bundle_of(source), {}).html
    assert '<p style="color: red;">' in rendered
    assert "@media (prefers-color-scheme: dark)" in rendered


def test_style_sheets_are_never_fetched(tmp_path):
    sheet = tmp_path / "sheet.css"
    sheet.write_text("p { color: #abcdef }")
    source = f"<link rel='stylesheet' href='{sheet}'><style>@import url('{sheet.as_uri()}');</style><p>x</p>"
    assert "abcdef" not in render_bundle(bundle_of(source), {}).html


def test_css_that_cannot_be_read_is_a_problem():
    (problem,) = problems("<style>p { color: red }</style><p style='color'>x</p>")
    assert problem.message.startswith("The CSS cannot be read")


# ---------------------------------------------------------------- problems


def test_problems_are_plain_sentences_with_the_line():
    for source, message in [
        ("{{ nobody }}", "“nobody” is not known here: declare it as a variable, or correct the name."),
        ("{{ name.first }}", "This value has nothing named “first”."),
        ("{% if name %}", "{% if %} is not closed: its end is missing."),
        ("{{ name", "The closing braces are missing."),
        ("{{ }}", "Something is missing between the braces."),
        ("{% foo %}", "There is no tag {% foo %}."),
        ("{{ name|foo }}", "There is no filter named foo."),
        ("{{ name is foo }}", "There is no test named foo."),
        ("{{ name name }}", "“}}” is missing, or “name” does not belong here."),
        ("{% if name name %}{% endif %}", "“%}” is missing, or “name” does not belong here."),
        ("{{ 1 / 0 }}", "This divides by zero."),
        ("{{ 'a' + 1 }}", 'This does not work: can only concatenate str (not "int") to str.'),
        ("{{ name|wordwrap(2)|nothing }}", "There is no filter named nothing."),
        ("{# a", "A comment is not closed: “#}” is missing."),
        ("{% block a %}{% endblock %}{% block a %}{% endblock %}", "The block a is defined twice."),
        (
            "{{ name.__class__ }}",
            "Templates may not do this: access to attribute '__class__' of 'str' object is unsafe.",
        ),
        ("{{ name|pprint }}", "There is no filter named pprint."),
        ("{{ lipsum() }}", "“lipsum” is not known here: declare it as a variable, or correct the name."),
    ]:
        with case(source):
            (problem,) = problems(f"<p>\n\n{source}", {"name": "Ann"}, variables="name")
            assert (problem.template, problem.part, problem.line, problem.message) == ("test/mail", "html", 3, message)


def test_all_parts_of_a_mail_and_all_values_are_checked_at_once():
    found = problems("{{ x", subject="{{ y", text="{% z %}", variables="name other")
    assert [problem.part for problem in found] == ["subject", "html", "text", "values", "values"]


def test_a_mail_needs_a_subject_and_a_text():
    assert [problem.message for problem in problems("", subject=" ")] == [
        "The template has no subject.",
        "The template has no text.",
    ]


def test_a_result_that_is_too_long_is_refused():
    (problem,) = problems("{% for _ in range(60000) %}12345678901234567890{% endfor %}")
    assert problem.message == "The result is longer than 1,000,000 characters."


def test_a_bundle_survives_json():
    parts = {"test/foot": content_of(html="<p>x</p>", de={"html": "y"})}
    bundle = bundle_of("<p>{{ name }}</p>", parts=parts, variables="name")
    assert Bundle.from_json(bundle.as_json()) == bundle


def test_no_variable_can_be_named_like_a_word_of_jinja():
    for name in sorted(RESERVED):
        with case(name), pytest.raises(ContentError, match="is a reserved name"):
            content_of(html=f"{{{{ {name} }}}}", variables=[{"name": name}])


def test_every_other_name_of_a_variable_works():
    for name in sorted({*filter(VARIABLE_NAME.fullmatch, keyword.kwlist), "block", "set", "caller"} - RESERVED):
        with case(name):
            source = f"<p>{{{{ {name} }}}}, {{{{ 1 if {name} else 2 }}}}</p>"
            assert "Ann, 1" in html(source, {name: "Ann"}, variables=name)


def test_values_that_would_come_out_as_python_objects_are_refused():
    for source in [
        "{{ [1, 2]|map('string') }}",
        "{{ names|map('upper') }}",
        "{{ names|batch(2) }}",
        "{{ names.count }}",
        "{{ dict }}",
        "{{ range(3) }}",
        "{{ namespace(a=1) }}",
        "{% macro button() %}x{% endmacro %}{{ button }}",
    ]:
        with case(source):
            [problem] = problems(f"<p>\n{source}</p>", {"names": ["Ann"]}, declared=[{"name": "names", "type": "list"}])
            assert problem.line == 2
            assert "neither text nor a number nor a list" in problem.message


def test_lists_objects_blocks_and_macro_calls_are_rendered():
    source = "{% macro bold(word) %}<b>{{ word }}</b>{% endmacro %}{% block one %}{{ bold('x') }}{% endblock %}"
    source += "{{ self.one() }}{{ [1, 2.5] }}{{ {'a': true} }}"
    assert html(f"<p>{source}</p>") == "<p><b>x</b><b>x</b>[1, 2.5]{'a': True}</p>"
