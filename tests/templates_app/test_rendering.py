"""The built-in texts and what rendering refuses."""

from pathlib import Path

import pytest

from templates_app import rendering
from templates_app.rendering import TemplateError, render

RESET = {"site": "Example", "name": "Ann", "reset_url": "https://example.org/reset/abc"}


def test_subject_and_text_are_filled_in():
    mail = render("account/password_reset", RESET)
    assert mail.subject == "Set a new password for Example"
    assert mail.text.startswith("Hello Ann,")
    assert "https://example.org/reset/abc" in mail.text
    assert (mail.key, mail.language, mail.html) == ("account/password_reset", "en", "")


def test_a_missing_value_is_named():
    with pytest.raises(TemplateError, match="reset_url"):
        render("account/password_reset", {"site": "Example", "name": "Ann"})


@pytest.mark.parametrize("key", ["account/nothing", "../settings", "account/../../manage", "", "/etc/passwd", "a/b\0"])
def test_unknown_and_hostile_keys_are_refused(key):
    with pytest.raises(TemplateError):
        render(key, {})


def test_objects_are_kept_out_of_templates():
    with pytest.raises(TemplateError, match="site must be text"):
        render("account/password_reset", {**RESET, "site": Path()})


def test_a_value_cannot_break_the_subject_into_lines():
    mail = render("account/password_reset", {**RESET, "site": "Example\n\nBcc: evil@example.org"})
    assert mail.subject == "Set a new password for Example Bcc: evil@example.org"
    assert mail.text.startswith("Hello Ann,")


def test_text_is_not_escaped_for_html():
    assert "Ann & <Bob>" in render("account/password_reset", {**RESET, "name": "Ann & <Bob>"}).text


def test_values_are_not_rendered_as_templates():
    assert "{{ 7 * 7 }}" in render("account/password_reset", {**RESET, "name": "{{ 7 * 7 }}"}).text


def test_every_built_in_text_begins_with_a_subject():
    files = sorted(rendering.BUILTIN.rglob("*.txt"))
    assert files
    for file in files:
        assert file.read_text().startswith("Subject: "), file
