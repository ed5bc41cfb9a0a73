"""The templates app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TemplatesConfig(AppConfig):
    """What a mail says."""

    name = "templates_app"
    verbose_name = _("Templates")
