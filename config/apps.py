from django.apps import AppConfig


class SiteConfig(AppConfig):
    """What is put together from several apps: addresses, profile pages, health, and the demo."""

    name = "config"
    verbose_name = "Site"
