"""The app with what all pages share."""

from django.apps import AppConfig


class ShellConfig(AppConfig):
    """Base templates, navigation, icons and style sheets. It has no models and no URLs."""

    name = "mailadmin.shell"
    label = "mailadmin_shell"
