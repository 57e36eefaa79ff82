from django.urls import re_path

from leaderboards.api.views import (
    BoardView,
    CorrectionsView,
    MyCompetitionsView,
    RankView,
    ReportView,
    StreamView,
    TicketView,
)

urlpatterns = [
    re_path(r"^auth/ticket/?$", TicketView.as_view()),
    re_path(r"^leaderboard/update/?$", ReportView.as_view()),
    re_path(r"^leaderboard/(?P<competition_id>[^/]+)/?$", BoardView.as_view()),
    re_path(r"^leaderboard/(?P<competition_id>[^/]+)/corrections/?$", CorrectionsView.as_view()),
    re_path(r"^leaderboard/(?P<competition_id>[^/]+)/stream/?$", StreamView.as_view()),
    re_path(r"^leaderboard/(?P<competition_id>[^/]+)/rank/(?P<user_id>[^/]+)/?$", RankView.as_view()),
    re_path(r"^users/(?P<user_id>[^/]+)/competitions/?$", MyCompetitionsView.as_view()),
]
