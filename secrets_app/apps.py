"""The vault as a Django app: every module in `kinds/` is imported at the start, so that it can register its kind."""

import pkgutil
from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from secrets_app import kinds


class SecretsConfig(AppConfig):
    """Credentials, encrypted, with owners and a trail."""

    name = "secrets_app"
    verbose_name = _("Secrets")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import the kinds; each registers itself."""
        for module in pkgutil.iter_modules(kinds.__path__):
            import_module(f"{kinds.__name__}.{module.name}")
