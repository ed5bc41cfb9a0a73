"""The app of accounts and signing in."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UsersConfig(AppConfig):
    """Accounts."""

    name = "users"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """Let the page about an address say what is known of its account."""
        from mailadmin.accounts import set_finder  # noqa: PLC0415  (apps must be ready before models are imported)
        from users.finding import account_of  # noqa: PLC0415

        set_finder(account_of)
