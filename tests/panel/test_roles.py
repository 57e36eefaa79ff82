"""The roles of the panel, as the migration makes them."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.contrib.admin.sites import site
from django.contrib.auth.models import Group
from django.test import RequestFactory

from accounts.models import User
from competitions.admin.own import OfCompetition
from config.panel.navigation import GROUPS, navigation
from tests.conftest import open_panel
from tests.panel.filling import fill_jobs

pytestmark = pytest.mark.django_db

_BEGUN: dict[str, list[str]] = import_module("config.migrations.0001_roles").ROLES
_MORE: dict[str, list[str]] = import_module("config.migrations.0004_messages_roles").MORE
ROLES = {role: [*permissions, *_MORE.get(role, [])] for role, permissions in _BEGUN.items()}


def asked_by(member: User) -> Any:
    request = RequestFactory().get("/")
    request.user = User.objects.get(id=member.id)  # with the permissions of now
    return request


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("organiser", "competitions.organise_own", "competitions.view_competition"),
        ("reviewer", "fitness.decide_flag", "prizes.view_transfer"),
        ("treasurer", "prizes.distribute_prizes", "fitness.view_sample"),
        ("support", "accounts.view_user", "fitness.decide_flag"),
    ],
)
def test_a_role_may_what_it_is_for_and_no_more(
    make_staff: Callable[..., User], role: str, may: str, may_not: str
) -> None:
    member = make_staff(role)
    assert member.has_perm(may)
    assert not member.has_perm(may_not)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_sees_the_tables_that_the_migration_says(make_staff: Callable[..., User], role: str) -> None:
    request = asked_by(make_staff(role))
    for model, page in site._registry.items():
        by_name = f"{model._meta.app_label}.view_{model._meta.model_name}" in ROLES[role]
        own = role == "organiser" and isinstance(page, OfCompetition)
        deciding = role == "reviewer" and model.__name__ == "Flag"
        assert page.has_view_permission(request) is (by_name or own or deciding), model
        changes = (page.has_add_permission(request), page.has_change_permission(request))
        assert changes == (False, False), f"{role} changes {model.__name__} by a form"
        assert not page.has_delete_permission(request)


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_the_sidebar_leads_where_the_door_is_open_and_to_every_table(
    make_staff: Callable[..., User], role: str
) -> None:
    member = make_staff(role)
    client = open_panel(member)
    links = [item["link"] for group in navigation(asked_by(member)) for item in group["items"]]
    for link in links:
        if link != "/admin/":
            assert client.get(link).status_code == 200, link
    for model, page in site._registry.items():
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert (path in links) is page.has_view_permission(asked_by(member)), path


def test_every_table_stands_in_the_sidebar_but_the_sandboxs() -> None:
    named = {link.name for _, links in GROUPS for link in links}
    tables = {f"{model._meta.app_label}_{model._meta.model_name}_changelist" for model in site._registry}
    assert tables - named == {"prizes_sandboxfault_changelist"}


@pytest.mark.slow
def test_roles_are_changed_by_superusers_only(make_staff: Callable[..., User], staff: User) -> None:
    role = Group.objects.get(name="support")
    path = f"/admin/auth/group/{role.pk}/change/"
    form = {"name": "support", "permissions": [str(p.pk) for p in role.permissions.all()[:1]]}
    member = make_staff("support", "treasurer", "reviewer", "organiser")
    client = open_panel(member)
    assert client.get("/admin/auth/group/").status_code == 403
    assert client.post(path, form).status_code == 403
    client = open_panel(staff)
    assert client.get(path).status_code == 200
    assert client.post(path, form).status_code == 302
    assert role.permissions.count() == 1


def test_jobs_show_what_failed_first_and_no_secret(make_staff: Callable[..., User]) -> None:
    fill_jobs(1_050)
    client = open_panel(make_staff("support"))
    page = client.get("/admin/procrastinate/procrastinatejob/")
    first = page.context["cl"].result_list[0]
    assert first.status == "failed"
    shown = (
        page.content.decode() + client.get(f"/admin/procrastinate/procrastinatejob/{first.pk}/change/").content.decode()
    )
    assert "competition 0815" in shown
    assert "a secret" not in shown
