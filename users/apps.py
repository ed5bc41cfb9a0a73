"""The app for accounts and sign-in."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UsersConfig(AppConfig):
    """Accounts."""

    name = "users"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """Register what the apps below cannot know: accounts, reissuing a link, what the vault's keys encrypt here."""
        from allauth.account.signals import password_reset  # noqa: PLC0415  (needs loaded apps)

        from mailadmin.hooks.account_lookup import register_account_lookup  # noqa: PLC0415
        from mailadmin.outbox.reissuing import register_reissuer  # noqa: PLC0415
        from secrets_app.encrypted_texts import register_text_rotation  # noqa: PLC0415
        from users.account_search import account_of  # noqa: PLC0415
        from users.key_warning import warn_of_keys  # noqa: PLC0415
        from users.link_reissuing import PASSWORD_RESET, new_reset_link  # noqa: PLC0415
        from users.second_factor import rotate_second_factors  # noqa: PLC0415

        password_reset.connect(warn_of_keys, dispatch_uid="users.key_warning")
        register_text_rotation(rotate_second_factors)
        register_reissuer(PASSWORD_RESET, new_reset_link)
        register_account_lookup(account_of)
