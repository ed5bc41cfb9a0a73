import logging

import pytest
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from config.web import error_views


@login_not_required
def fails(request, kind):
    raise {error.__name__: error for error in (OperationalError, InterfaceError, IntegrityError, DatabaseError)}[kind](
        "no connection to postgres://u:canary@db"
    )


@login_not_required
def fails_otherwise(request):
    raise KeyError("x")


@login_not_required
def works(request):
    return HttpResponse("fine")


urlpatterns = [
    path("fails/<kind>", fails),
    path("otherwise", fails_otherwise),
    path("works", works),
    path("healthz", works, name="healthz"),
]
handler500 = error_views.server_error


@pytest.fixture
def client(settings, monkeypatch):
    settings.ROOT_URLCONF = __name__
    monkeypatch.setattr("users.middleware.FirstVisitMiddleware.is_open", lambda self, path: True)
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("kind", ["OperationalError", "InterfaceError"])
def test_a_view_that_cannot_reach_the_database_answers_503(client, kind, caplog):
    with caplog.at_level(logging.ERROR, logger="config.web.middleware"):
        response = client.get(f"/fails/{kind}")
    assert response.status_code == 503
    assert response["Retry-After"] == "10"
    assert b"The database cannot be reached" in response.content
    assert b"canary" not in response.content
    assert f"The database does not respond (GET /fails/{kind})" in caplog.text


@pytest.mark.parametrize("kind", ["IntegrityError", "DatabaseError"])
def test_other_faults_of_the_database_are_our_own_and_stay_500(client, kind):
    assert client.get(f"/fails/{kind}").status_code == 500


def test_other_faults_stay_500(client):
    assert client.get("/otherwise").status_code == 500


def test_a_page_without_trouble_is_left_alone(client):
    response = client.get("/works")
    assert response.status_code == 200
    assert response.content == b"fine"


@pytest.mark.django_db
def test_a_middleware_that_cannot_reach_the_database_answers_503(colleague_client):
    def refuse(*args, **kwargs):
        raise OperationalError("away")

    colleague_client.raise_request_exception = False
    with connection.execute_wrapper(refuse):
        response = colleague_client.get("/account/profile/")
    assert response.status_code == 503
    assert response["Retry-After"] == "10"
