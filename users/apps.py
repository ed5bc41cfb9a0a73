"""The app of accounts and signing in."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UsersConfig(AppConfig):
    """Accounts."""

    name = "users"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """Tell the mail app what it cannot know of accounts: whose an address is, who makes fresh links into one."""
        from mailadmin.hooks.account_lookup import set_finder  # noqa: PLC0415  (imports models, which are not there before)
        from mailadmin.outbox.reissuing import register  # noqa: PLC0415
        from users.account_search import account_of  # noqa: PLC0415
        from users.link_reissuing import PASSWORD_RESET, new_reset_link  # noqa: PLC0415

        register(PASSWORD_RESET, new_reset_link)
        set_finder(account_of)
