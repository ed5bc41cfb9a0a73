"""What every test starts from: no mail settings, an empty queue, Mailadmin's own email backend, people to sign in."""

import os
import shutil
import socket
from copy import copy
from pathlib import Path

import hypothesis
import pytest
import time_machine
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.test import Client
from django.test import client as client_module
from django.test.utils import ContextList
from django.utils import timezone
from huey.storage import MemoryStorage
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from config.environment.reader import MailEnvironment
from tests.cases import forget
from tests.factories import make_admin, make_user

pytest_plugins = ["tests.smtp_fixtures"]

REQUIRE_SERVICES = os.environ.get("REQUIRE_SERVICES") == "1"
# A busy machine takes its time. Where the services are required a tree is judged, each time by the same examples;
# elsewhere they are new ones.
hypothesis.settings.register_profile(
    "ours", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], derandomize=REQUIRE_SERVICES
)
hypothesis.settings.load_profile("ours")
expect.set_options(timeout=60_000)

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""


# ---------------------------------------------------------------- the database


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """In the end, close what threads of the tests left open: PostgreSQL drops no database that somebody is using."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(scope="module")
def module_db(django_db_setup, django_db_blocker):
    """Keep rows for all tests of a module: ``with module_db.unblock(): ...`` in a fixture of the module stores them.

    What a test changes is undone after it, as ever; these rows after the last one. No transactional test may be among
    them: it empties the tables.
    """
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]  # as in TestCase: durable blocks may stand inside
    with django_db_blocker.unblock():
        block.__enter__()
    yield django_db_blocker
    with django_db_blocker.unblock():
        transaction.set_rollback(True)
        block.__exit__(None, None, None)


# ---------------------------------------------------------------- services


def answers(port: int) -> bool:
    """Return whether something listens on this port of this machine."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30):
            return True
    except OSError:
        return False


SERVICES = {
    "postgres": (lambda: answers(5432), "PostgreSQL does not answer on 127.0.0.1:5432"),
    "redis": (lambda: answers(6379), "Redis does not answer on 127.0.0.1:6379"),
    "browser": (
        lambda: bool(CHROMIUM) and Path(CHROMIUM).exists(),
        "Chromium is not installed (or CHROMIUM names none)",
    ),
}
_missing: dict[str, str] = {}


def missing(service: str) -> str:
    """Return why tests of this marker cannot run here, or nothing if they can. Looked up once."""
    if service not in _missing:
        there, reason = SERVICES[service]
        _missing[service] = "" if there() else reason
    return _missing[service]


def pytest_runtest_setup(item):
    for service in SERVICES:
        reason = missing(service) if item.get_closest_marker(service) else ""
        if reason and REQUIRE_SERVICES:
            pytest.fail(f"{reason}, and REQUIRE_SERVICES is set", pytrace=False)
        if reason:
            pytest.skip(f"{reason}; .ci/run installs and starts what the tests need")


def pytest_collection_modifyitems(items):
    """Put browser tests last: Playwright leaves a loop running, in which asyncio.run() and the ORM refuse to work."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


# ---------------------------------------------------------------- a clean start


@pytest.fixture(scope="session", autouse=True)
def own_backend(django_test_environment):
    """Mail takes Mailadmin's backend, which Django's test environment replaces."""
    if hasattr(django_settings, "MAILERS"):
        django_settings.MAILERS = {"default": {"BACKEND": "mailadmin.backends.OutboxBackend"}}
    else:
        django_settings.EMAIL_BACKEND = "mailadmin.backends.OutboxBackend"


@pytest.fixture(scope="session", autouse=True)
def one_context_per_response():
    """Of a page's templates, keep the context of its own only, as ``response.context``.

    Django copies it for each template inside, too, such as each option of a list of time zones, which took a fifth of
    the time of tests that post forms.
    """

    def store(kept, signal, sender, template, context, **kwargs):
        kept.setdefault("templates", []).append(template)
        if "context" not in kept:
            kept["context"] = ContextList([copy(context)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "store_rendered_templates", store)
        yield


@pytest.fixture(autouse=True)
def clean_start():
    """Nothing is left of the test before: neither jobs nor a mail log file, nor what the process remembers.

    For every test, also those that need none of it: so there are only assignments here, and no other fixture.
    """
    django_settings.HUEY.storage = MemoryStorage("tests")
    django_settings.MAIL.log_file.unlink(missing_ok=True)
    forget()  # rows made in a test are rolled back after callbacks that ran as if they had been committed


@pytest.fixture
def mail_settings(settings):
    """Set what the MAIL_* variables say: ``mail_settings(driver="log", from_address="a@example.com")``."""
    log_file = settings.MAIL.log_file

    def use(**fields) -> MailEnvironment:
        settings.MAIL = MailEnvironment(**{"log_file": log_file, **fields})
        return settings.MAIL

    return use


@pytest.fixture
def still_clock():
    """Let the time of day stand still, or a second could pass between what a test stores and the page that tells it."""
    with time_machine.travel(timezone.now(), tick=False):
        yield


class Jobs:
    """The queue under test: what is enqueued waits here until `run` is called."""

    def __init__(self, huey):
        self.huey = huey

    @property
    def names(self) -> list[str]:
        """The waiting jobs' names, oldest first."""
        return [task.name for task in self.huey.pending()]

    def run(self, *, limit: int = 100) -> list[str]:
        """Do the waiting jobs and those that they add, as the worker would, and return their names."""
        done: list[str] = []
        while task := self.huey.dequeue():
            assert len(done) < limit, f"more than {limit} jobs: {done[-5:]}"
            self.huey.execute(task)
            done.append(task.name)
        return done


@pytest.fixture
def jobs():
    """Jobs are recorded, and done only when the test calls ``jobs.run()``."""
    return Jobs(django_settings.HUEY)


# ---------------------------------------------------------------- people


@pytest.fixture
def admin(db):
    """An administrator."""
    return make_admin()


@pytest.fixture
def colleague(db):
    """Somebody who may sign in and nothing else."""
    return make_user("colleague@example.com", name="Colleague")


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin_client(admin):
    return signed_in(admin)


@pytest.fixture
def colleague_client(colleague):
    return signed_in(colleague)


# ---------------------------------------------------------------- the browser


@pytest.fixture
def live_server(transactional_db):
    """A web server of this test's own: what one remembers ("there is an account") must not reach the next test."""
    server = LiveServer("localhost")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    """The system's Chromium; nothing is downloaded."""
    # Playwright's own loop runs in the test's thread, where the ORM would take it for a mistake.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    return {
        **browser_type_launch_args,
        "executable_path": CHROMIUM,
        "args": ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
    }
