"""The mail app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MailadminConfig(AppConfig):
    """Configuration, composing, the outbox and delivery."""

    name = "mailadmin"
    verbose_name = _("Mail")

    def ready(self) -> None:
        """Register the system checks."""
        from mailadmin import checks  # noqa: F401, PLC0415  (Django registers checks and drivers when apps are ready)
