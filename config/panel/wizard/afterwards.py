"""What the maker of a competition does next."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from competitions.models import Competition
from competitions.rules import Visibility
from config.core.money import money_text


def next_steps(made: Competition, request: HttpRequest) -> list[str | SafeString]:
    if made.published_at is None:
        return [f"{made.name} is kept as a draft that only you and staff see. Next: publish it when people may join."]
    return [_sharing(made), *_board(made, request), *_funding(made, request)]


def _sharing(made: Competition) -> str | SafeString:
    if made.visibility != Visibility.PRIVATE:
        return f"{made.name} is published. Next: tell people that they can join it."
    says = "{} is published. Next: give those who shall take part the join code <strong>{}</strong>."
    return format_html(says, made.name, made.join_code)


def _board(made: Competition, request: HttpRequest) -> list[str | SafeString]:
    if made.visibility != Visibility.PUBLIC:
        return []
    board = request.build_absolute_uri(reverse("board", args=[made.pk]))
    return [format_html('Its board is a page for everybody: <a href="{}">{}</a>', board, board)]


def _funding(made: Competition, request: HttpRequest) -> list[str | SafeString]:
    if not made.prize_pool_minor:
        return []
    confirm: str | SafeString = "confirm the funding"
    if request.user.has_perm("prizes.view_settlement"):
        where = reverse("admin:prizes_settlement_change", args=[made.pk])
        confirm = format_html('<a href="{}">{}</a>', where, confirm)
    pool = money_text(made.prize_pool_minor, made.currency)
    return [format_html("It promises {} for the prizes. Next: a treasurer has to {}.", pool, confirm)]
