"""The vault as a Django app. Importing the modules of `kinds/` at startup registers their kinds."""

import pkgutil
from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from secrets_app import kinds


class SecretsConfig(AppConfig):
    """Encrypted credentials with owners and an audit log."""

    name = "secrets_app"
    verbose_name = _("Secrets")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        for module in pkgutil.iter_modules(kinds.__path__):
            import_module(f"{kinds.__name__}.{module.name}")
