"""The app of accounts and signing in."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UsersConfig(AppConfig):
    """Accounts."""

    name = "users"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """Register who makes fresh mails in place of those with a link into an account."""
        from mailadmin.issuing import register  # noqa: PLC0415  (imports models, which are not there before)
        from users.issuing import PASSWORD_RESET, new_reset_link  # noqa: PLC0415

        register(PASSWORD_RESET, new_reset_link)
