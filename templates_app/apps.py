"""The templates app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class TemplatesConfig(AppConfig):
    """Email templates: versions, drafts, rendering, import and export."""

    name = "templates_app"
    verbose_name = _("Templates")

    def ready(self) -> None:
        """Store the built-in templates whenever tables were created or emptied (``migrate``, ``flush``)."""
        from templates_app.library import builtin_seeding  # noqa: PLC0415  (needs the models)

        post_migrate.connect(
            builtin_seeding.seed_after_migrate, sender=self, dispatch_uid="templates_app.library.builtin_seeding"
        )
