from django.urls import re_path

from accounts.api.mails import PasswordResetView, ResetConfirmView, VerificationView, VerifyView
from accounts.api.notifications import (
    DevicesView,
    DeviceView,
    NotificationsView,
    PhoneCodeView,
    PhoneView,
    PreferencesView,
    ReadView,
)
from accounts.api.views import LogOutView, PasswordView, TokenRefreshView, TokenView

urlpatterns = [
    re_path(r"^auth/token/?$", TokenView.as_view()),
    re_path(r"^auth/token/refresh/?$", TokenRefreshView.as_view()),
    re_path(r"^auth/logout/?$", LogOutView.as_view()),
    re_path(r"^notifications/?$", NotificationsView.as_view()),
    re_path(r"^notifications/read/?$", ReadView.as_view()),
    re_path(r"^notifications/preferences/?$", PreferencesView.as_view()),
    re_path(r"^notifications/devices/?$", DevicesView.as_view()),
    re_path(r"^notifications/devices/(?P<device_id>[^/]+)/?$", DeviceView.as_view()),
    re_path(r"^notifications/phone/?$", PhoneView.as_view()),
    re_path(r"^notifications/phone/verify/?$", PhoneCodeView.as_view()),
    re_path(r"^auth/password/?$", PasswordView.as_view()),
    re_path(r"^auth/password/reset/?$", PasswordResetView.as_view()),
    re_path(r"^auth/password/reset/confirm/?$", ResetConfirmView.as_view()),
    re_path(r"^auth/email/verify/?$", VerifyView.as_view()),
    re_path(r"^auth/email/verification/?$", VerificationView.as_view()),
]
