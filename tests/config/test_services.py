import pytest

from tests import conftest


class Item:
    """A test that carries one marker."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def get_closest_marker(self, name: str) -> str | None:
        return name if name == self.marker else None


@pytest.fixture(params=sorted(conftest.SERVICES))
def service(request, monkeypatch):
    monkeypatch.setattr(conftest, "_missing", {request.param: "It is not there"})
    return request.param


def test_without_a_service_its_tests_skip_and_say_what_would_help(service, monkeypatch):
    monkeypatch.setattr(conftest, "REQUIRE_SERVICES", False)
    with pytest.raises(pytest.skip.Exception, match=r"It is not there; \.ci/run installs and starts"):
        conftest.pytest_runtest_setup(Item(service))


def test_where_services_are_required_a_missing_one_is_a_failure(service, monkeypatch):
    monkeypatch.setattr(conftest, "REQUIRE_SERVICES", True)
    with pytest.raises(pytest.fail.Exception, match="It is not there, and REQUIRE_SERVICES is set"):
        conftest.pytest_runtest_setup(Item(service))


def test_a_test_that_needs_nothing_runs_anywhere(service):
    conftest.pytest_runtest_setup(Item("other"))


def test_a_port_where_nothing_listens_does_not_answer():
    assert not conftest.answers(1)
