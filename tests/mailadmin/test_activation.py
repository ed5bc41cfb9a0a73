"""The mail app in this project and in somebody else's."""

import os
import subprocess
import sys

from django.conf import settings as project_settings
from django.core.checks import run_checks

from mailadmin.activation import MAIL_APPS, NEEDED_APPS, mail_management
from tests.config.starting import BASE_DIR


def test_everything_that_is_missing_is_added_once_whatever_is_listed_and_however_often():
    wanted = {*MAIL_APPS, *NEEDED_APPS}
    for listed in ([], ["shop"], ["maillog", "shop"], [*reversed(NEEDED_APPS)], ["maillog.apps.MaillogConfig", "shop"]):
        once = mail_management(listed)
        assert [app for app in once if app in listed] == listed, "the project's own order stays"
        assert {app.partition(".apps.")[0] for app in once} == wanted | set(listed) - {"maillog.apps.MaillogConfig"}
        assert len(once) == len(set(once))
        assert mail_management(once) == once


def test_the_mail_app_comes_before_djangos_own_whose_templates_it_replaces():
    apps = mail_management(["shop", "django.contrib.auth", "django.forms"])
    assert apps[:2] == ["shop", "mailadmin"]
    assert apps.index("mailadmin.shell") < apps.index("django.forms")


def test_this_project_lists_its_apps_with_it():
    assert mail_management(project_settings.INSTALLED_APPS) == project_settings.INSTALLED_APPS
    assert not [one for one in run_checks() if one.id.startswith("mailadmin.E")]


def test_a_missing_piece_is_reported_with_what_to_add(settings):
    def reported():
        return {one.id: f"{one.msg} {one.hint}" for one in run_checks(tags=["compatibility", "templates", "urls"])}

    templates = settings.TEMPLATES[0]
    bare = {**templates, "OPTIONS": {**templates["OPTIONS"], "builtins": [], "context_processors": []}}
    settings.MIDDLEWARE = []
    settings.TEMPLATES = [bare]
    settings.FORM_RENDERER = "django.forms.renderers.DjangoTemplates"
    settings.ROOT_URLCONF = "users.urls"
    del settings.HUEY
    found = reported()
    for number, words in {
        "mailadmin.E004": "HUEY = open_queue",
        "mailadmin.E005": "django_htmx.middleware.HtmxMiddleware",
        "mailadmin.E006": "mailadmin.context_processors.mail",
        "mailadmin.E007": 'FORM_RENDERER = "django.forms.renderers.TemplatesSetting"',
        "mailadmin.E008": 'include("mailadmin.site")',
    }.items():
        assert words in found[number], number


def run(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a process of its own, where this test's Django is not set up yet."""
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, "-W", "error::Warning:mailadmin", "-c", program],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_project_without_the_log_is_told_to_add_it():
    for apps, number, words in (
        ("[app for app in apps if app != 'maillog']", "mailadmin.E002", "maillog"),
        (
            "['django.forms', *[app for app in settings.INSTALLED_APPS if app != 'django.forms']]",
            "mailadmin.E003",
            "django.forms",
        ),
    ):
        done = run(
            "import django\n"
            "from django.conf import settings\n"
            "from django.core.management import call_command\n"
            f"apps = settings.INSTALLED_APPS\nsettings.INSTALLED_APPS = {apps}\n"
            "django.setup()\n"
            "call_command('check')\n",
            DJANGO_SETTINGS_MODULE="tests.mailadmin.other_project.settings",
        )
        assert done.returncode
        assert number in done.stderr, done.stderr
        assert words in done.stderr
        assert "mail_management" in done.stderr


def test_another_project_with_accounts_of_its_own_gets_all_pages_and_sends():
    done = run("import runpy; runpy.run_module('tests.mailadmin.other_project.visit')")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "200 /mail/log/" in done.stdout
