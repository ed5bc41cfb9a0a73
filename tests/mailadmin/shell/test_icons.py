"""Icons are drawn once for each name, size and attribute, and none stands for another."""

import pytest
from django.template import Context, Template
from django.utils.safestring import SafeString
from lucide import IconDoesNotExist

from mailadmin.shell.icons import register


def drawn(tag):
    return Template(tag).render(Context({"odd": '"><script>'}))


def test_sizes_and_attributes_are_kept_apart():
    small, large = drawn('{% lucide "x" size=14 %}'), drawn('{% lucide "x" size=18 %}')
    assert 'width="14"' in small
    assert 'width="18"' in large
    assert 'class="spin"' in drawn('{% lucide "x" size=14 class="spin" %}')
    assert drawn('{% lucide "x" size=14 %}') == small
    assert small.startswith("<svg")


def test_what_comes_from_outside_stays_escaped():
    assert "<script>" not in drawn('{% lucide "x" class=odd %}')


def test_an_unknown_icon_is_an_error_each_time():
    for _ in range(2):
        with pytest.raises(IconDoesNotExist):
            drawn('{% lucide "no-such-icon" %}')


def test_the_tag_is_the_one_that_pages_use():
    assert set(register.tags) == {"lucide"}
    assert isinstance(drawn('{% lucide "x" %}'), SafeString)
