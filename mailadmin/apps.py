"""The mail app."""

from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from mailadmin.activation import MAIL_APPS, missing


class MailadminConfig(AppConfig):
    """Configuration, composing, the outbox and delivery."""

    name = "mailadmin"
    verbose_name = _("Mail")

    def ready(self) -> None:
        """Register checks and drivers, and connect the templates and the log, which do not know each other."""
        from mailadmin import activation_checks  # noqa: F401, PLC0415  (Django registers checks when apps are ready)

        if missing(MAIL_APPS, settings.INSTALLED_APPS):
            return  # the check reports it; what follows imports the models of those apps
        from mailadmin import checks  # noqa: F401, PLC0415  (Django registers checks and drivers when apps are ready)
        from mailadmin.drivers.registry import load_drivers  # noqa: PLC0415
        from mailadmin.hooks.revision_link import revision  # noqa: PLC0415
        from mailadmin.hooks.template_usage import usage_of  # noqa: PLC0415
        from mailadmin.operations.record_pruning import prune_records  # noqa: PLC0415
        from mailadmin.outbox.reissuing import can_reissue  # noqa: PLC0415
        from maillog.content.template_link import register_version_url  # noqa: PLC0415
        from maillog.hooks import (  # noqa: PLC0415
            register_record_pruner,
            register_reissue_check,
            register_revision_lookup,
        )
        from secrets_app.system_access import register_system_access_permission  # noqa: PLC0415
        from templates_app.library.mail_counts import register_counter  # noqa: PLC0415
        from templates_app.library.version_links import version_url  # noqa: PLC0415

        load_drivers()
        register_counter(usage_of)
        register_version_url(version_url)
        register_revision_lookup(revision)
        register_record_pruner(prune_records)
        register_reissue_check(can_reissue)
        register_system_access_permission("mailadmin.configure_mail")
