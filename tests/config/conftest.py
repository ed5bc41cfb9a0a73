"""The site that its walks go through."""

import pytest

from tests.config.site import Site


@pytest.fixture(scope="module")
def module_site(module_db):
    with module_db.unblock():
        return Site()


@pytest.fixture
def site(module_site, db, mail_settings):
    """An installation in use, made once per module; the worker sends, into nothing."""
    mail_settings(driver="silent", from_address="shop@example.com")
    return module_site


@pytest.fixture
def quiet(caplog):
    """Thousands of refusals need not be written out."""
    caplog.set_level("CRITICAL", logger="django")
