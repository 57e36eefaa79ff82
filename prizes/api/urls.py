from django.urls import re_path

from prizes.api.views import (
    ApproveView,
    CalculateView,
    DistributeView,
    FundingView,
    HistoryView,
    PayoutAccountView,
    PlanView,
    StatementView,
    TransactionsView,
)

urlpatterns = [
    re_path(r"^prizes/plan/(?P<competition_id>[^/]+)/?$", PlanView.as_view()),
    re_path(r"^prizes/calculate/(?P<competition_id>[^/]+)/?$", CalculateView.as_view()),
    re_path(r"^prizes/funding/(?P<competition_id>[^/]+)/?$", FundingView.as_view()),
    re_path(r"^prizes/distribute/(?P<competition_id>[^/]+)/?$", DistributeView.as_view()),
    re_path(r"^prizes/approve/(?P<competition_id>[^/]+)/?$", ApproveView.as_view()),
    re_path(r"^prizes/statement/(?P<competition_id>[^/]+)/?$", StatementView.as_view()),
    re_path(r"^prizes/history/(?P<user_id>[^/]+)/?$", HistoryView.as_view()),
    re_path(r"^prizes/payout-account/?$", PayoutAccountView.as_view()),
    re_path(r"^users/(?P<user_id>[^/]+)/transactions/?$", TransactionsView.as_view()),
]
