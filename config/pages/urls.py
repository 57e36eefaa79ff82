from django.urls import re_path

from config.core.errors import reading
from config.pages import board, competitions, entrance, install, my_day, notifications, passwords, people, why

_ID = r"competitions/(?P<competition_id>[^/]+)"

urlpatterns = [
    re_path(r"^$", reading(entrance.home_view), name="home"),
    re_path(r"^sign-up/?$", entrance.sign_up_view, name="sign-up"),
    re_path(r"^sign-in/?$", entrance.sign_in_view, name="sign-in"),
    re_path(r"^sign-out/?$", entrance.sign_out_view, name="sign-out"),
    re_path(r"^forgot-password/?$", passwords.forgot_password_view, name="forgot-password"),
    re_path(r"^reset-password(/(?P<token>[^/]+))?/?$", passwords.reset_password_view, name="reset-password"),
    re_path(r"^verify-email(/(?P<token>[^/]+))?/?$", passwords.verify_email_view, name="verify-email"),
    re_path(r"^my-day/?$", my_day.my_day_view, name="my-day"),
    re_path(r"^competitions/?$", competitions.competitions_view, name="competitions"),
    re_path(rf"^{_ID}/?$", competitions.competition_view, name="competition"),
    re_path(rf"^{_ID}/join/?$", competitions.join_view, name="competition-join"),
    re_path(rf"^{_ID}/leave/?$", competitions.leave_view, name="competition-leave"),
    re_path(rf"^{_ID}/board/?$", board.board_view, name="competition-board"),
    re_path(rf"^{_ID}/board/me/?$", board.my_row_view, name="competition-board-me"),
    re_path(rf"^{_ID}/why/?$", why.why_view, name="competition-why"),
    re_path(r"^join/?$", competitions.join_code_view, name="join"),
    re_path(r"^join/(?P<code>[^/]+)/?$", competitions.join_code_view, name="join-code"),
    re_path(r"^notifications/?$", notifications.notifications_view, name="notifications"),
    re_path(r"^notifications/read/?$", notifications.read_view, name="notifications-read"),
    re_path(r"^notifications/settings/?$", notifications.settings_view, name="notification-settings"),
    re_path(r"^notifications/phone/?$", notifications.phone_view, name="notification-phone"),
    re_path(r"^profile/?$", people.profile_view, name="profile"),
    re_path(r"^profile/sign-out-everywhere/?$", passwords.sign_out_everywhere_view, name="sign-out-everywhere"),
    re_path(r"^profile/picture/?$", people.picture_view, name="picture"),
    re_path(r"^profile/password/?$", passwords.change_password_view, name="change-password"),
    re_path(r"^profile/verify-email/?$", passwords.send_verification_view, name="send-verification"),
    re_path(r"^profile/data/?$", people.data_view, name="my-data"),
    re_path(r"^profile/data/file/?$", people.data_file_view, name="my-data-file"),
    re_path(r"^profile/erase/?$", people.erase_view, name="erase"),
    re_path(r"^profile/sources/(?P<provider>[^/]+)/?$", people.source_view, name="source"),
    re_path(r"^people/(?P<user_id>[^/]+)/?$", people.person_view, name="person"),
    re_path(r"^manifest\.webmanifest$", reading(install.manifest_view), name="manifest"),
    re_path(r"^service-worker\.js$", reading(install.service_worker_view), name="service-worker"),
    re_path(r"^offline/?$", reading(install.offline_view), name="offline"),
]
