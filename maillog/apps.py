"""The app of the mail log."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from maillog import labels


class MaillogConfig(AppConfig):
    """Messages, attempts and the pages that show them."""

    name = "maillog"
    verbose_name = _("Mail log")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Forget the ids of labels whenever tables were made or emptied (``migrate``, ``flush``)."""
        post_migrate.connect(labels.forget, sender=self, dispatch_uid="maillog.labels.forget")
