"""`render`: published and built-in templates, how changes take effect, and how wrong values are reported."""

import pkgutil
import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from django.utils.translation import gettext_lazy

from mailadmin.api import InvalidMail, send_template
from maillog.models import Message
from templates_app import builtin_files, bundles, compiled_cache
from templates_app.bundles import bundle_of, parts_of
from templates_app.compiled_cache import record_change
from templates_app.engine.template_errors import TemplateError
from templates_app.models import Change, Document, SharedValue
from templates_app.part_usage import templates_using
from templates_app.rendering import render
from tests.cases import case
from tests.config.starting import BASE_DIR
from tests.templates_app.makers import publish_unchecked
from tests.templates_app.transfer.bundles import content_of

pytestmark = pytest.mark.django_db

RESET = {"site": "Example", "name": "Ann", "reset_url": "https://example.org/reset/abc"}


@pytest.fixture
def nothing_stored():
    """An installation whose built-in templates were not seeded, or were lost."""
    Document.objects.update(published=None)
    record_change()


@pytest.fixture
def frozen_cache(monkeypatch):
    """Keep the cache until the test itself records a change."""
    monkeypatch.setattr(compiled_cache, "CHECK_INTERVAL", 3600.0)


# ---------------------------------------------------------------- built-in templates


def test_built_in_templates_render_from_an_empty_database(nothing_stored):
    mail = render("account/password_reset", RESET)
    assert mail.subject == "Set a new password for Example"
    assert "Hello Ann," in mail.text
    assert "https://example.org/reset/abc" in mail.text
    assert 'href="https://example.org/reset/abc"' in mail.html
    assert (mail.key, mail.language, mail.version) == ("account/password_reset", "en", 0)


def test_every_builtin_template_renders_every_sample_in_every_language(nothing_stored):
    builtin = builtin_files.documents_in(builtin_files.BUILTIN)
    templates = {key: document for (kind, key), document in builtin.items() if kind == "template"}
    assert len(templates) >= 16
    for key, document in templates.items():
        assert document.samples, key
        for values in document.samples.values():
            for language in document.content.languages:
                mail = render(key, values, language=language)
                assert mail.language == language
                assert mail.subject
                assert mail.text
                assert mail.html


def test_a_missing_language_falls_back():
    assert render("account/password_reset", RESET, language="de-AT").language == "de"
    assert render("account/password_reset", RESET, language="fr").language == "en"


# ---------------------------------------------------------------- values and keys


def test_all_missing_and_wrong_values_are_named_at_once():
    with pytest.raises(TemplateError) as caught:
        render("account/password_reset", {"name": 7, "site": "Example", "other": "x"})
    assert [problem.message for problem in caught.value.problems] == [
        "The value name must be text, not a number.",
        "The value reset_url is missing; given, but not known to the template: other.",
    ]
    assert str(caught.value).startswith("account/password_reset: The value name")


def test_nothing_is_queued_when_a_value_is_missing():
    with pytest.raises(InvalidMail, match="reset_url is missing"):
        send_template("account/password_reset", to=["ann@example.com"], values={"site": "Example"})
    assert not Message.objects.exists()


def test_unknown_and_hostile_keys_are_refused():
    for key in ["account/nothing", "../settings", "account/../../manage", "", "/etc/passwd", "a/b\0"]:
        with case(key), pytest.raises(TemplateError):
            render(key, {})


def test_times_are_in_the_local_time_zone_and_lazy_texts_in_the_active_language(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    declared = [{"name": "start", "type": "datetime"}, {"name": "word"}]
    publish_unchecked("shop/order", content_of(text="{{ start|time }} {{ word }}", subject="x", variables=declared))
    values = {"start": datetime(2026, 7, 1, 12, tzinfo=UTC), "word": gettext_lazy("Yes")}
    assert render("shop/order", values).text == "2:00\u202fPM Yes\n"


# ---------------------------------------------------------------- published versions and changes


def test_a_published_version_replaces_the_builtin_and_reports_its_number(frozen_cache):
    publish_unchecked("account/password_reset", content_of(text="First", subject="x"))
    mail = render("account/password_reset", {})
    assert mail.text == "First\n"
    publish_unchecked("account/password_reset", content_of(text="Second", subject="x"))
    again = render("account/password_reset", {})
    assert again.text == "Second\n"
    assert again.version == mail.version + 1


def test_changing_a_part_or_a_shared_value_changes_the_messages_that_use_it(frozen_cache):
    publish_unchecked("shop/foot", content_of(text="foot of {{ brand_name }}"), kind="part")
    publish_unchecked("shop/order", content_of(text="{% include 'foot' %}", subject="x"))
    SharedValue.objects.update_or_create(name="brand_name", defaults={"value": "Ann's"})
    record_change()
    assert render("shop/order", {}).text == "foot of Ann's\n"
    publish_unchecked("shop/foot", content_of(text="feet of {{ brand_name }} at {{ base_url }}"), kind="part")
    assert render("shop/order", {}).text == "feet of Ann's at http://127.0.0.1:8000\n"


def test_a_template_without_a_published_version_is_unknown():
    document = publish_unchecked("shop/order", content_of(text="x", subject="x"))
    document.published = None
    document.save()
    record_change()
    with pytest.raises(TemplateError, match="no published template"):
        render("shop/order", {})


def test_a_cached_template_needs_no_query(frozen_cache, django_assert_num_queries):
    publish_unchecked("shop/order", content_of(text="x", subject="x"))
    transaction.on_commit(lambda: None)
    compiled_cache.expire_cache()
    render("shop/order", {})
    with django_assert_num_queries(0):
        render("shop/order", {})
        render("shop/order", {}, language="de-AT")


def test_changes_by_other_processes_are_looked_for_after_a_second(monkeypatch, django_assert_num_queries):
    assert compiled_cache.CHECK_INTERVAL == 1.0
    publish_unchecked("shop/order", content_of(text="x", subject="x"))
    compiled_cache.expire_cache()
    render("shop/order", {})
    monkeypatch.setattr(compiled_cache, "CHECK_INTERVAL", 0.0)
    with django_assert_num_queries(1):
        render("shop/order", {})


@pytest.mark.django_db(transaction=True)
def test_another_thread_never_renders_an_uncommitted_change(frozen_cache):
    publish_unchecked("shop/order", content_of(text="old", subject="x"))
    seen = []

    def look():
        seen.append(render("shop/order", {}).text)
        connection.close()

    def elsewhere():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    elsewhere()
    try:
        with transaction.atomic():
            publish_unchecked("shop/order", content_of(text="new", subject="x"))
            assert render("shop/order", {}).text == "new\n"
            elsewhere()
            raise InterruptedError
    except InterruptedError:
        pass
    elsewhere()
    assert render("shop/order", {}).text == "old\n"
    assert seen == ["old\n"] * 3


@pytest.mark.django_db(transaction=True)
def test_a_change_number_that_was_rolled_back_is_never_used_again():
    record_change()
    try:
        with transaction.atomic():
            record_change()
            rolled_back = Change.objects.get().number
            raise InterruptedError
    except InterruptedError:
        pass
    record_change()
    assert Change.objects.get().number > rolled_back


# ---------------------------------------------------------------- bundles and part usage


def test_a_draft_is_bundled_with_the_published_parts():
    publish_unchecked("shop/foot", content_of(text="{% include 'mail/footer' %}"), kind="part")
    order = publish_unchecked("shop/order", content_of(text="x", subject="x"))
    bundle = bundle_of(order, content_of(text="{% include 'foot' %} {% include 'nowhere' %}", subject="y"))
    assert set(bundle.parts) == {"shop/foot", "mail/footer"}
    assert (bundle.key, bundle.version, bundle.is_part) == ("shop/order", 0, False)
    assert {"brand_name", "base_url"} <= bundle.shared.keys()


def test_a_draft_of_a_part_replaces_the_published_one():
    foot = publish_unchecked("shop/foot", content_of(text="old"), kind="part")
    order = publish_unchecked("shop/order", content_of(text="{% include 'foot' %}", subject="x"))
    draft = content_of(text="new")
    bundle = bundle_of(order, order.published.read(), part=(foot, draft))
    assert bundle.parts == {"shop/foot": draft}
    assert bundle_of(foot, draft).is_part


def test_templates_that_use_a_part_through_other_parts_are_found():
    foot = publish_unchecked("shop/foot", content_of(text="x"), kind="part")
    publish_unchecked("shop/layout", content_of(text="{%- include 'shop/foot' %}"), kind="part")
    order = publish_unchecked("shop/order", content_of(text='{% extends "layout" %}', subject="x"))
    publish_unchecked("shop/other", content_of(text="foot", subject="x"))
    assert templates_using(foot) == [order]
    assert set(parts_of(order.published.read(), "shop/order")) == {"shop/layout", "shop/foot"}


def test_parts_that_use_each_other_in_a_circle_are_loaded_once():
    publish_unchecked("shop/a", content_of(text="{% include 'b' %}"), kind="part")
    publish_unchecked("shop/b", content_of(text="{% include 'a' %}"), kind="part")
    order = publish_unchecked("shop/order", content_of(text="{% include 'a' %}", subject="x"))
    with pytest.raises(TemplateError, match="endlessly"):
        render("shop/order", {})
    assert set(parts_of(order.published.read(), "shop/order")) == {"shop/a", "shop/b"}


def test_the_engine_runs_without_django():
    packages = "engine", "sandbox", "files", "content"
    names = [
        module.name
        for name in packages
        for module in pkgutil.iter_modules([f"{BASE_DIR}/templates_app/{name}"], f"templates_app.{name}.")
        if module.name != "templates_app.content.value_text"  # translates for the editor
    ]
    assert len(names) > 10
    script = f"import sys, {', '.join(names)}; print('django' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_part_with_an_impossible_name_does_not_exist():
    """Jinja resolves escapes in strings, so a name can contain what no database accepts."""
    assert bundles.load_parts({"mail/\x00", "a/b/c", "", "mail/layout"}, {}).keys() == {"mail/layout"}
