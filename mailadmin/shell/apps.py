"""The app of what every page stands in."""

from django.apps import AppConfig


class ShellConfig(AppConfig):
    """Base templates, navigation, icons and style sheets: no models, no addresses of its own."""

    name = "mailadmin.shell"
    label = "mailadmin_shell"
