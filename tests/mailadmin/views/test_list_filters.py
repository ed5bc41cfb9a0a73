"""Every list filters through a FilterSet: a valid filter narrows it, an invalid one is an error of its field."""

from datetime import timedelta

import pytest

from mailadmin.http_api import api_keys
from maillog import suppressions
from maillog.models import AuditEvent, Incident
from secrets_app import storing
from templates_app.models import Document, Project
from tests.conftest import signed_in
from tests.factories import make_admin
from tests.maillog.makers import finished, make_incident, queued
from tests.secrets_app.conftest import FIELDS

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    """An administrator with two rows in every list."""
    admin = make_admin()
    for name, subject in (("Alpha", "Apples"), ("Beta", "Bananas")):
        storing.store(kind="smtp", name=name, fields=FIELDS, values={"password": "x"}, actor=admin)
        api_keys.make(admin, name=name, scopes=["mails:send"], lifetime=timedelta(days=30))
        suppressions.suppress(f"{name.lower()}@example.com", by=admin)
        make_incident(connection=name, kind=name.lower(), state=Incident.State.OPEN)
        queued(f"{name.lower()}@example.org", subject=subject, connection_hint=name)
        AuditEvent.objects.create(
            mail_number=finished(subject=subject).pk, action="deleted", actor_name=name, at="2026-01-01T00:00Z"
        )
        project = Project.objects.create(key=name.lower(), name=name)
        Document.objects.create(project=project, kind="template", key="hello", name=subject)
    return signed_in(admin)


def test_a_filter_narrows_each_list(client):
    for address, shown, hidden in (
        ("/log/?q=apples", "Apples", "Bananas"),
        ("/mail/queue/?status=queued", "Apples", "Nothing matches"),
        ("/mail/incidents/?connection=Alpha", "on Alpha", "on Beta"),
        ("/log/suppressions/?q=ALPHA", "alpha@example.com", "beta@example.com"),
        ("/secrets/?q=alph", ">Alpha<", ">Beta<"),
        ("/secrets/audit/?q=alph", ">Alpha<", ">Beta<"),
        ("/templates/?q=alpha", "alpha/hello", "beta/hello"),
        ("/mail/api-keys/?q=alph", "Alpha", "Beta"),
        ("/mail/api-keys/?state=active", "Beta", "Nothing matches"),
        ("/log/audit/?q=alph", "Alpha", "Beta"),
    ):
        page = client.get(address).content.decode()
        listed = page[page.index("<main") :]
        assert shown in listed, address
        assert hidden not in listed, address


def test_a_filter_that_matches_nothing_says_so_with_a_way_back(client):
    for address in (
        "/log/?q=cherries",
        "/mail/queue/?status=held",
        "/mail/incidents/?state=ended",
        "/log/suppressions/?q=cherries",
        "/secrets/?q=cherries",
        "/secrets/audit/?action=rotated",
        "/templates/?q=cherries",
        "/mail/api-keys/?state=revoked",
        "/log/audit/?q=cherries",
    ):
        page = client.get(address)
        assert page.status_code == 200, address
        assert any(
            words in page.content.decode() for words in ("Nothing matches", "Nothing waits", "No message matches")
        ), address


def test_an_invalid_filter_is_an_error_of_its_field_and_lists_nothing(client):
    for address, field, hidden in (
        ("/log/?status=lost", "Status", "Apples"),
        ("/mail/queue/?status=lost", "Status", "Apples"),
        ("/mail/incidents/?state=lost", "State", "on Alpha"),
        (f"/log/suppressions/?q={'x' * 255}", "Search", "alpha@"),
        ("/secrets/?kind=pigeon", "Kind", ">Alpha<"),
        ("/secrets/audit/?action=lost", "Action", ">Alpha<"),
        ("/mail/api-keys/?state=lost", "State", "mails:send"),
        ("/log/audit/?mail=x", "Message", "Deleted</strong>"),
    ):
        page = client.get(address).content.decode()
        assert f"{field}:" in page or f">{field}</" in page, address
        assert hidden not in page, address
