"""The app of accounts and signing in."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UsersConfig(AppConfig):
    """Accounts."""

    name = "users"
    verbose_name = _("Accounts")
