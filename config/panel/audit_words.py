"""What happened, in people's words: of an event's row and the one before it, a sentence and the fields that changed.

Pure but for the models that it reads the names of fields from.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias
from uuid import UUID

from django.db.models import Field, ForeignKey, Model

from competitions.policy import policy_document, policy_of
from config.core.money import money_text
from config.core.tables import moment

Row: TypeAlias = Mapping[str, Any]
"""The columns of an event, by their attribute names."""

NOTHING = "–"
_SILENT = frozenset({"id", "competition_id", "key", "seat_id", "owed_id", "standings_id", "award_id", "payment_id"})
_SILENT_IN_CHANGES = frozenset({"updated_at", "updated_by_id", "starts_on", "last_on"}) | _SILENT
_DOCUMENTS = frozenset({"document", "details", "plan", "weights", "stored_policy"})


@dataclass(frozen=True)
class Change:
    """One field, as it was and as it is."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Names:
    """What the things are called that rows refer to by their ids."""

    people: Mapping[UUID, str]
    roles: Mapping[int, str]
    permissions: Mapping[int, str]

    def person(self, user_id: UUID | None) -> str:
        return self.people.get(user_id, "somebody") if user_id else "nobody"


@dataclass(frozen=True)
class Happening:
    """``label``: insert, update or delete. ``before``: empty where there was nothing, or nothing is known of it."""

    model: type[Model]
    label: str
    row: Row
    before: Row

    def became(self, column: str) -> bool:
        """Whether it has another value than before, which is not empty."""
        return bool(self.row.get(column)) and self.row.get(column) != self.before.get(column)

    def changed(self, column: str) -> bool:
        return self.row.get(column) != self.before.get(column)

    def money(self, column: str) -> str:
        return money_text(self.row[column], self.row["currency"])

    def choice(self, name: str) -> str:
        field = self.model._meta.get_field(name)
        assert isinstance(field, Field)
        return str(dict(field.flatchoices).get(self.row[name], self.row[name]))


def sentence(happening: Happening, names: Names) -> str:
    """Without its subject, which is whoever did it."""
    name = happening.model._meta.model_name or ""
    tell = _SENTENCES.get(name)
    if tell is not None and (told := tell(happening, names)):
        return told
    what = happening.model._meta.verbose_name
    if happening.label == "update":
        return f"changed {_listed([label for label, *_ in _differences(happening, names)]) or f'the {what}'}"
    return f"{'made' if happening.label == 'insert' else 'deleted'} the {what}"


def changes(happening: Happening, names: Names) -> list[Change]:
    """Of an update the fields that are other than before; of anything else none."""
    if happening.label != "update":
        return []
    return [Change(label, before, after) for label, before, after in _differences(happening, names)]


# --- Values ---


def _differences(happening: Happening, names: Names) -> Iterator[tuple[str, Any, Any]]:
    for field in happening.model._meta.concrete_fields:
        column = field.attname
        if column in _SILENT_IN_CHANGES or column not in happening.row or not happening.changed(column):
            continue
        before, after = happening.before.get(column), happening.row[column]
        if column in _DOCUMENTS:
            yield from _document_differences(str(field.verbose_name), column, before or {}, after or {}, happening.row)
        else:
            currency = happening.row.get("currency", "")
            yield (
                _label(field),
                _value(field, before, happening.before.get("currency", currency), names),
                _value(field, after, currency, names),
            )


def _document_differences(label: str, column: str, before: Row, after: Row, row: Row) -> Iterator[tuple[str, Any, Any]]:
    """By the keys that differ; of a policy with what is as by default, so that nothing is read as nothing."""
    if column == "stored_policy":
        before, after = policy_document(policy_of(before)), policy_document(policy_of(after))
    earlier, later = dict(_flat(before)), dict(_flat(after))
    for key in [*earlier, *(key for key in later if key not in earlier)]:
        if earlier.get(key) != later.get(key):
            yield (
                f"{label}: {key}" if column != "stored_policy" else key,
                _in_document(key, earlier.get(key), row),
                _in_document(key, later.get(key), row),
            )


def _flat(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """``{"daily_cap": {"steps": 5}}`` → ``("daily cap: steps", 5)``; places by the ranks that they are."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            word = str(key).replace("_", " ")
            yield from _flat(value, f"{path}: {word}" if path else word)
    elif isinstance(document, list) and document and all(isinstance(item, Mapping) for item in document):
        for number, item in enumerate(document, start=1):
            place = _ranks(item) or str(number)
            rest = {key: value for key, value in item.items() if key not in ("first", "last")}
            yield from _flat(rest, f"{path} {place}")
    else:
        yield path, document


def _ranks(item: Mapping[str, Any]) -> str:
    if "first" not in item or "last" not in item:
        return ""
    return str(item["first"]) if item["first"] == item["last"] else f"{item['first']} to {item['last']}"


def _in_document(key: str, value: Any, row: Row) -> Any:
    if key.endswith("minor") and isinstance(value, int):
        currency = row.get("currency") or (row.get("document") or {}).get("currency")
        return money_text(value, currency) if currency else f"{value:,} minor units"
    return plain(value)


def _label(field: Field[Any, Any]) -> str:
    return str(field.verbose_name).removesuffix(" minor").replace("_", " ")


def _value(field: Field[Any, Any], value: Any, currency: str, names: Names) -> Any:
    if value in (None, ""):
        return NOTHING
    if isinstance(field, ForeignKey):
        return names.person(value) if field.related_model._meta.label == "accounts.User" else str(value)
    if field.attname.endswith("_minor") and currency:
        return money_text(value, currency)
    if field.flatchoices:
        return str(dict(field.flatchoices).get(value, value))
    return plain(value)


def plain(value: Any) -> Any:
    """A value for the eye, whatever it is of."""
    match value:
        case None | "" | [] | {}:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case datetime():
            return moment(value)
        case date():
            return f"{value:%-d %b %Y}"
        case int():
            return f"{value:,}"
        case list() | tuple() | set() | frozenset():
            return ", ".join(str(item) for item in value)
    return str(value)


def _listed(words: Sequence[str]) -> str:
    """``a, b and 3 more``."""
    if len(words) > 3:
        return f"{', '.join(words[:2])} and {len(words) - 2} more"
    return " and ".join(words)


# --- Sentences ---


def _of_competition(it: Happening, names: Names) -> str:
    if it.label == "insert":
        return f"made the competition “{it.row['name']}”"
    if it.label == "delete":
        return f"deleted the competition “{it.row['name']}”"
    if it.became("cancelled_at"):
        return "cancelled the competition"
    if it.became("published_at"):
        return "published the competition"
    if it.changed("status"):
        return f"moved it from {it.before.get('status')} to {it.row['status']}"
    return ""


def _of_rules(it: Happening, names: Names) -> str:
    return "froze the rules: version 1" if it.row["number"] == 1 else f"changed the rules: version {it.row['number']}"


def _of_standings(it: Happening, names: Names) -> str:
    number = it.row["number"]
    return "froze the final standings" if number == 1 else f"froze corrected standings: number {number}"


def _of_standing(it: Happening, names: Names) -> str:
    whose = names.person(it.row["user_id"])
    if it.became("disqualified_reason"):
        return f"disqualified {whose}"
    if it.changed("disqualified_reason"):
        return f"reinstated {whose}"
    return f"brought the corrections of {whose} to {it.row['adjustment_points']:+,} points"


def _of_correction(it: Happening, names: Names) -> str:
    points, whose = it.row["points"], names.person(it.row["user_id"])
    return f"gave {whose} {points:,} points" if points > 0 else f"took {-points:,} points from {whose}"


def _of_flag(it: Happening, names: Names) -> str:
    what = f"the flag “{it.choice('check_name')}” of {names.person(it.row['user_id'])}, {plain(it.row['day'])}"
    if it.label == "insert":
        return f"opened {what}"
    if it.became("decided_at"):
        return f"decided about {what}: {it.row['state']}"
    if it.became("appealed_at"):
        return f"appealed {what}"
    return f"changed {what}"


def _of_plan(it: Happening, names: Names) -> str:
    return {"insert": "set the prize plan", "update": "changed the prize plan"}.get(it.label, "deleted the prize plan")


def _of_award_list(it: Happening, names: Names) -> str:
    return f"worked out the prizes of standings {it.row['version']}: {it.money('pool_minor')} in all"


def _of_distribution(it: Happening, names: Names) -> str:
    if it.label == "insert":
        return "asked for the prizes to go out"
    if it.became("approved_at"):
        return "approved the distribution"
    return "let the prizes go out" if it.became("released_at") else ""


def _of_payment(it: Happening, names: Names) -> str:
    fee = f"the entry fee of {names.person(it.row['user_id'])}, {it.money('amount_minor')}"
    if it.label == "insert":
        return f"asked for {fee}"
    return f"noted {fee}: {it.row['state']}" if it.changed("state") else f"opened the page for {fee}"


def _of_transfer(it: Happening, names: Names) -> str:
    what = f"the {it.row['purpose']} of {it.money('amount_minor')} to {names.person(it.row['user_id'])}"
    if it.label == "insert":
        return f"ordered {what}"
    return f"noted {what}: {it.row['state']}" if it.changed("state") else f"changed {what}"


def _of_entry(it: Happening, names: Names) -> str:
    whose = f", {names.person(it.row['user_id'])}" if it.row["user_id"] else ""
    return f"wrote into the ledger: {it.choice('kind')}{whose}"


_ACTIONS = {
    "plan": "set the prize plan",
    "fund": "confirmed money for the pool",
    "distribute": "asked for the prizes to go out",
    "approve": "approved the distribution",
    "refund": "gave the entry fees back",
    "pay_organiser": "paid the organiser out",
    "retry": "had a failed transfer sent again",
    "mark_paid": "marked a transfer as paid",
    "give_up": "gave a transfer up",
    "mark_fee_paid": "marked an entry fee as paid",
}


def _of_action(it: Happening, names: Names) -> str:
    return f"noted in the treasury's log: {_ACTIONS.get(it.row['action'], it.row['action'])}"


def _of_person(it: Happening, names: Names) -> str:
    return "came in" if it.label == "insert" else ""


def _of_role_given(it: Happening, names: Names) -> str:
    whose, role = names.person(it.row["user_id"]), names.roles.get(it.row["group_id"], "that is gone")
    return f"gave {whose} the role {role}" if it.label == "insert" else f"took the role {role} from {whose}"


def _of_permission_given(it: Happening, names: Names) -> str:
    whose, permission = names.person(it.row["user_id"]), _permission(it, names)
    return f"allowed {whose}: {permission}" if it.label == "insert" else f"no longer allows {whose}: {permission}"


def _of_role_permission(it: Happening, names: Names) -> str:
    role, permission = names.roles.get(it.row["group_id"], "that is gone"), _permission(it, names)
    return f"allowed the role {role}: {permission}" if it.label == "insert" else f"took from {role}: {permission}"


def _permission(it: Happening, names: Names) -> str:
    return names.permissions.get(it.row["permission_id"], "something that is gone")


def _of_key(it: Happening, names: Names) -> str:
    if it.label == "insert":
        return f"made the key “{it.row['name']}” for {', '.join(it.row['scopes'])}"
    return f"revoked the key “{it.row['name']}”" if it.became("revoked_at") else ""


_SENTENCES: Mapping[str, Callable[[Happening, Names], str]] = {
    "competition": _of_competition,
    "rulesversion": _of_rules,
    "finalstandings": _of_standings,
    "standing": _of_standing,
    "correction": _of_correction,
    "flag": _of_flag,
    "prizeplan": _of_plan,
    "awardlist": _of_award_list,
    "distribution": _of_distribution,
    "payment": _of_payment,
    "transfer": _of_transfer,
    "entry": _of_entry,
    "treasuryaction": _of_action,
    "user": _of_person,
    "rolegiven": _of_role_given,
    "permissiongiven": _of_permission_given,
    "rolepermission": _of_role_permission,
    "servicekey": _of_key,
}
