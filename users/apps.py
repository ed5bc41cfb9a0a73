"""The app of accounts and signing in."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UsersConfig(AppConfig):
    """Accounts."""

    name = "users"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """Tell the mail app what it cannot know of accounts: whose an address is, who makes fresh links into one."""
        from mailadmin.accounts import set_finder  # noqa: PLC0415  (imports models, which are not there before)
        from mailadmin.issuing import register  # noqa: PLC0415
        from users.finding import account_of  # noqa: PLC0415
        from users.issuing import PASSWORD_RESET, new_reset_link  # noqa: PLC0415

        register(PASSWORD_RESET, new_reset_link)
        set_finder(account_of)
