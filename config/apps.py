from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class SiteConfig(AppConfig):
    """What is put together from several apps: addresses, the panel, profile pages, health, and the demo."""

    name = "config"
    verbose_name = "Site"
    default = True


class PanelConfig(admin_apps.AdminConfig):
    """Django's admin, with our site in it."""

    default_site = "config.panel.site.PanelSite"
    default = False
