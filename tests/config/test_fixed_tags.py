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
        '{% translate "Monday" as day %}',
        '{% translate "May" context "abbrev. month" %}',
        "{% url page %}",
        '{% url "maillog:detail" 5 %}',
        '{% url "maillog:detail" pk=number %}',
        '{% url "maillog:list" as there %}',
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
