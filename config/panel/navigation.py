"""What stands in the sidebar: for each role what it works with, in the order of a day's work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from competitions.admin.own import ORGANISE


@dataclass(frozen=True)
class Link:
    """``name``: of the page's address, in the admin's namespace. ``permissions``: any of them opens it; none: every
    member of staff."""

    title: str
    name: str
    icon: str
    permissions: Sequence[str] = ()

    def is_for(self, request: HttpRequest) -> bool:
        return not self.permissions or any(request.user.has_perm(permission) for permission in self.permissions)


def _table(title: str, name: str, icon: str, *more: str) -> Link:
    """A table's list; ``name`` is of the form ``app_model``."""
    app, model = name.split("_", 1)
    return Link(title, f"{name}_changelist", icon, (f"{app}.view_{model}", *more))


GROUPS: Sequence[tuple[str, Sequence[Link]]] = (
    (
        "",
        (
            Link("Today", "index", "home"),
            _table("Competitions", "competitions_competition", "emoji_events", ORGANISE),
            Link("Insights", "insights", "monitoring", ("competitions.view_competition", ORGANISE)),
            _table("Flags", "fitness_flag", "flag", "fitness.decide_flag"),
            _table("Settlements", "prizes_settlement", "account_balance"),
        ),
    ),
    (
        "People",
        (
            _table("People", "accounts_user", "group"),
            _table("Participants", "competitions_participant", "directions_walk", ORGANISE),
            _table("Seats", "competitions_seat", "event_seat", ORGANISE),
            _table("Standings", "leaderboards_standing", "leaderboard", ORGANISE),
            _table("Corrections", "leaderboards_correction", "edit_note", ORGANISE),
            _table("Final standings", "leaderboards_finalstandings", "verified", ORGANISE),
            _table("Rules", "competitions_rulesversion", "gavel", ORGANISE),
            _table("Moves", "competitions_statusmove", "swap_horiz", ORGANISE),
            _table("Boards", "leaderboards_board", "scoreboard", ORGANISE),
        ),
    ),
    (
        "Activity",
        (
            _table("Day totals", "fitness_activity", "today"),
            _table("Replaced totals", "fitness_supersededactivity", "history_toggle_off"),
            _table("Samples", "fitness_sample", "timeline"),
            _table("Counted days", "fitness_countedday", "fact_check"),
            _table("Sources", "fitness_datasource", "watch"),
            _table("Connections", "fitness_connection", "cloud_sync"),
            _table("Imports", "fitness_import", "upload_file"),
        ),
    ),
    (
        "Money",
        (
            _table("Transfers", "prizes_transfer", "send_money"),
            _table("Entry fees", "prizes_payment", "payments"),
            _table("Awards", "prizes_awardlist", "workspace_premium"),
            _table("Ledger", "prizes_entry", "menu_book"),
            _table("Accounts", "prizes_account", "account_tree"),
            _table("Payout accounts", "prizes_payoutaccount", "wallet"),
            _table("Gateway events", "prizes_gatewayevent", "webhook"),
            _table("Treasury log", "prizes_treasuryaction", "history"),
        ),
    ),
    (
        "Messages",
        (
            _table("Notifications", "accounts_notification", "notifications"),
            _table("Deliveries", "accounts_delivery", "outgoing_mail"),
            Link("How they read", "message_preview", "preview", ("accounts.view_notification", ORGANISE)),
            _table("Devices", "accounts_device", "smartphone"),
            _table("Phones", "accounts_phone", "call"),
            _table("Closed addresses", "accounts_suppression", "unsubscribe"),
        ),
    ),
    (
        "Server",
        (
            _table("Jobs", "procrastinate_procrastinatejob", "work_history"),
            _table("Service keys", "accounts_servicekey", "key"),
            _table("Wrong guesses", "axes_accessattempt", "lock"),
            _table("Log-ins", "axes_accesslog", "login"),
            _table("Roles", "auth_group", "admin_panel_settings"),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """In unfold's shape; a group with nothing for this person is left out."""
    groups = []
    for title, links in GROUPS:
        items = [
            {"title": link.title, "icon": link.icon, "link": reverse(f"admin:{link.name}")}
            for link in links
            if link.is_for(request)
        ]
        if items:
            groups.append({"title": title, "separator": bool(title), "collapsible": False, "items": items})
    return groups
