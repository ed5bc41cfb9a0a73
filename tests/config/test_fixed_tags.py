"""Tags that are written out in a template are rendered once; those that hang on anything else, each time."""

import pytest
from django.template import Context, Template
from django.template.base import TextNode
from django.urls import NoReverseMatch, set_script_prefix
from django.utils.translation import override
from lucide import IconDoesNotExist

from config.fixed_tags import FixedNode


@pytest.fixture
def mounted():
    """Mount the pages elsewhere, and back where they were."""
    yield set_script_prefix
    set_script_prefix("/")


def kinds(text: str) -> list[type]:
    return [type(node) for node in Template(text).nodelist]


def rendered(text: str, **values: object) -> str:
    return Template(text).render(Context(values))


def test_words_are_kept_by_language():
    template = Template('{% translate "Monday" %}')
    assert isinstance(template.nodelist[0], FixedNode)
    for _ in range(2):
        for language, word in (("en", "Monday"), ("de", "Montag"), ("fr", "lundi")):
            with override(language):
                assert template.render(Context()) == word
    with override(None):
        assert template.render(Context()) == "Monday"


def test_words_are_what_djangos_tag_makes_of_them():
    assert rendered('{% translate "5 % & more" %}') == "5 % & more"
    assert rendered('{% translate "Monday" as day %}{{ day }}, {{ day }}') == "Monday, Monday"
    with override("de"):
        assert rendered("{% translate name %}", name="Monday") == "Montag"
        assert rendered('{% translate "Monday"|upper %}') == "MONTAG"
        assert rendered('{% translate "May" context "abbrev. month" %}') == "Mai"


@pytest.mark.parametrize(
    "text",
    [
        "{% translate name %}",
        '{% translate "Monday"|upper %}',
        '{% translate "May" context "abbrev. month" %}',
        "{% url page %}",
        '{% url "maillog:detail" 5 %}',
        '{% url "maillog:detail" pk=number %}',
        "{% static path %}",
        "{% lucide icon %}",
        '{% lucide "x" size=size %}',
        '{% lucide "x" as drawn %}',
    ],
)
def test_what_hangs_on_anything_else_is_not_kept(text):
    assert not {FixedNode, TextNode} & set(kinds(text))


def test_addresses_are_kept_by_where_the_pages_are(mounted):
    template = Template('{% url "maillog:list" %}')
    for _ in range(2):
        for prefix in ("/", "/mail/"):
            mounted(prefix)
            assert template.render(Context()) == f"{prefix}log/"


def test_what_is_kept_in_a_variable_is_the_same_each_time(mounted):
    template = Template('{% translate "Monday" as day %}{% url "maillog:list" as there %}{{ day }} {{ there }}')
    assert [type(node) for node in template.nodelist[:2]] == [FixedNode, FixedNode]
    for _ in range(2):
        with override("de"):
            assert template.render(Context()) == "Montag /log/"
        mounted("/mail/")
        assert template.render(Context()) == "Monday /mail/log/"
        mounted("/")
    assert rendered('{% url "no-such-page" as there %}{{ there }}.') == "."


def test_files_are_those_that_djangos_tag_names():
    assert rendered('{% static "css/main.css" %}') == rendered("{% static path %}", path="css/main.css") != ""
    assert rendered('{% static "css/main.css" as file %}{{ file }}') == rendered('{% static "css/main.css" %}')


def test_a_page_that_is_not_there_is_an_error_each_time():
    template = Template('{% url "no-such-page" %}')
    for _ in range(2):
        with pytest.raises(NoReverseMatch):
            template.render(Context())


def test_icons_are_part_of_the_template():
    assert kinds('{% lucide "x" size=14 class="spin" %}') == [TextNode]
    assert rendered('{% lucide "x" size=14 class="spin" %}') == rendered(
        '{% lucide "x" size=size class="spin" %}', size=14
    )
    with pytest.raises(IconDoesNotExist):
        Template('{% lucide "no-such-icon" %}')
    assert rendered('{% lucide "x" as drawn %}{{ drawn }}').startswith("<svg")
