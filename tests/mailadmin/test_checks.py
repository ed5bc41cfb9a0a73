"""The system checks of the mail app."""

import shutil
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

from mailadmin import checks
from templates_app.builtin_files import BUILTIN
from templates_app.library.builtin_checks import builtin_problems


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(BUILTIN, tmp_path / "builtin")


def test_the_built_in_templates_render_with_all_their_samples():
    assert checks.built_in_templates(None) == []


def test_a_built_in_template_that_does_not_render_is_named_with_its_line(copy):
    page = copy / "account" / "templates" / "welcome" / "de.html"
    text = page.read_text(encoding="utf-8").replace("{% block content %}\n", "{% block content %}\n{{ nowhere }}\n")
    page.write_text(text, encoding="utf-8")
    line = text[: text.index("{{ nowhere }}")].count("\n") + 1
    (problem,) = builtin_problems(copy)
    assert problem.startswith(f"account/welcome, html, line {line}: ")


def test_a_built_in_file_that_is_missing_or_broken_is_named(copy, monkeypatch):
    (copy / "mail" / "parts" / "layout" / "part.json").write_text("{")
    monkeypatch.setattr(checks, "builtin_problems", lambda: builtin_problems(copy))
    found = checks.built_in_templates(None)
    assert {one.id for one in found} == {"mailadmin.E001"}
    assert "mail/parts/layout/part.json" in found[0].msg


@override_settings()
def test_a_backend_that_bypasses_the_log_is_named_with_the_line_to_write():
    assert checks.email_backend(None) == []
    django = "django.core.mail.backends.smtp.EmailBackend"
    if hasattr(settings, "MAILERS"):
        wrong = [{"default": {"BACKEND": django}}, {"default": {}}, {}]
        for settings.MAILERS in wrong:
            (found,) = checks.email_backend(None)
            assert 'MAILERS = {"default": {"BACKEND": "mailadmin.backends.OutboxBackend"}}' in found.hint
    else:
        settings.EMAIL_BACKEND = django
        (found,) = checks.email_backend(None)
        assert 'EMAIL_BACKEND = "mailadmin.backends.OutboxBackend"' in found.hint
    assert found.id == "mailadmin.W001"


def test_the_check_before_a_deployment_passes():
    call_command("check", "--deploy", "--tag", "templates", stdout=StringIO(), stderr=StringIO())
