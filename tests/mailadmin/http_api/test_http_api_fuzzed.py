"""Schemathesis generates requests from the OpenAPI document: no response is a server error, each matches its schema."""

import copy

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from mailadmin.http_api.ninja_api import description
from tests.factories import make_admin
from tests.mailadmin.http_api.programs import program
from tests.maillog.makers import finished, queued

pytestmark = pytest.mark.django_db


def described():
    """The OpenAPI document without authentication, because every request has a valid key."""
    document = copy.deepcopy(description())
    del document["components"]["securitySchemes"]
    for methods in document["paths"].values():
        for operation in methods.values():
            del operation["security"]
    return document


SCHEMA = schemathesis.openapi.from_dict(described())
SCHEMA.app = get_wsgi_application()
OPERATIONS = {one.ok().label: one.ok() for one in SCHEMA.get_all_operations()}


@pytest.fixture
def headers(mail_settings):
    """Messages with two statuses, and the key of an administrator."""
    mail_settings(driver="silent", from_address="shop@example.com")
    finished("failed")
    queued()
    for signal in (request_started, request_finished):  # as Django's own test client does: the test has one connection
        signal.disconnect(close_old_connections)
    yield program(make_admin()).headers
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("label", OPERATIONS)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_response_is_a_server_error(label, mode, headers):
    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    def ask(case):
        # The description cannot say all that a mail must be, so what fits it may still be refused.
        case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

    ask()
