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
        """Clear the label cache, and an orphaned search index, after ``migrate`` and ``flush``."""
        from maillog.index import writing  # noqa: PLC0415  (imports the models, which are not there before)

        post_migrate.connect(labels.clear_cache, sender=self, dispatch_uid="maillog.labels.clear_cache")
        post_migrate.connect(writing.clear_if_empty, sender=self, dispatch_uid="maillog.index.writing.clear_if_empty")
