"""The templates app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class TemplatesConfig(AppConfig):
    """What a mail says."""

    name = "templates_app"
    verbose_name = _("Templates")

    def ready(self) -> None:
        """Bring the built-in templates whenever tables were made or emptied (``migrate``, ``flush``)."""
        from templates_app.library import builtin_seeding  # noqa: PLC0415  (needs the models)

        post_migrate.connect(
            builtin_seeding.seed_after_migrate, sender=self, dispatch_uid="templates_app.library.builtin_seeding"
        )
