"""The site that its walks go through."""

import pytest

from tests.config.site import Site


@pytest.fixture
def site(db, mail_settings):
    """An installation in use; the worker sends, into nothing."""
    mail_settings(driver="silent", from_address="shop@example.com")
    return Site()
