"""The mail app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MailadminConfig(AppConfig):
    """Configuration, composing, the outbox and delivery."""

    name = "mailadmin"
    verbose_name = _("Mail")

    def ready(self) -> None:
        """Register the system checks, and tell the templates' pages who counts their mails."""
        from mailadmin import checks  # noqa: F401, PLC0415  (Django registers checks and drivers when apps are ready)
        from mailadmin.template_usage import use_of  # noqa: PLC0415
        from templates_app.usage import set_counter  # noqa: PLC0415

        set_counter(use_of)
