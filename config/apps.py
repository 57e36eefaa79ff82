from django.apps import AppConfig
from django.contrib import admin
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

    def ready(self) -> None:
        """django-otp registers tables of its own, which show and change secrets."""
        super().ready()
        from django_otp.plugins.otp_static.models import StaticDevice
        from django_otp.plugins.otp_totp.models import TOTPDevice

        admin.site.unregister([StaticDevice, TOTPDevice])
