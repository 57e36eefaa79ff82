from django.urls import re_path

from accounts.api.views import LogOutView, TokenRefreshView, TokenView

urlpatterns = [
    re_path(r"^auth/token/?$", TokenView.as_view()),
    re_path(r"^auth/token/refresh/?$", TokenRefreshView.as_view()),
    re_path(r"^auth/logout/?$", LogOutView.as_view()),
]
