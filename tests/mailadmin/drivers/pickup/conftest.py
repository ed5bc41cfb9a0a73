"""The driver that docs/adding-a-driver.md explains, registered for each test in this folder."""

import sys

import pytest

from mailadmin.drivers import registry
from secrets_app import storing
from secrets_app.kinds import kind_registry
from tests.mailadmin.drivers.pickup.gateway import MODULE, TOKEN


@pytest.fixture(autouse=True)
def pickup(settings, monkeypatch):
    """Register the driver for one test, as the setting does at the start."""
    monkeypatch.setattr(registry, "_drivers", dict(registry._drivers))
    monkeypatch.setattr(kind_registry, "_kinds", dict(kind_registry._kinds))
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    settings.MAIL_DRIVER_MODULES = (MODULE,)
    registry.load_drivers()
    yield registry.find_driver("pickup")
    sys.modules.pop(MODULE, None)


@pytest.fixture
def folder(tmp_path):
    """The pickup folder of a gateway that accepts the token."""
    made = tmp_path / "pickup"
    made.mkdir()
    (made / "token").write_text(TOKEN)
    return made


@pytest.fixture
def stored(admin):
    """Store a connection to a folder."""

    def store(folder, name="Gateway", token=TOKEN):
        fields, values = {"folder": str(folder)}, {"token": token}
        return storing.store(
            kind="pickup", name=name, fields=fields, values=values, actor=admin, available_to_system=True
        )

    return store


@pytest.fixture
def in_force(mail_settings):
    """Make it the driver in force, as MAIL_DRIVER=pickup does."""
    return mail_settings(driver="pickup", from_address="shop@example.com")
