"""Finding rows by what somebody types: words by their beginnings, keys as they are. Every way in is an index's.

Nothing here needs an extension of PostgreSQL: a word is one of the ``simple`` text search configuration, which knows
every script, after signs have become spaces, so that ``ada.lovelace@example.org`` is four words.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any
from uuid import UUID

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import F, Func, Model, Q, QuerySet

MOST_FOUND = 1_000
"""People or competitions that a search goes on with; whoever finds more writes more of the name."""

_SIGNS = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~’‘“”«»–—·・\u00a0\u3000"
_SPACES = str.maketrans(_SIGNS, " " * len(_SIGNS))
_LONGEST = 200
_MOST_WORDS = 8


def _words_of(columns: Sequence[str]) -> Func:
    """As PostgreSQL keeps them; the constants are part of the index's definition."""
    texts = [Func(F(column), template="coalesce(%(expressions)s, '')") for column in columns]
    signs = _SIGNS.replace("'", "''")
    return Func(
        *texts,
        template=f"to_tsvector('simple', translate(%(expressions)s, '{signs}', '{' ' * len(_SIGNS)}'))",
        arg_joiner=" || ' ' || ",
        output_field=SearchVectorField(),
    )


class WordIndex(GinIndex):
    """Lets rows be found by the words of these columns."""

    def __init__(self, *columns: str, name: str) -> None:
        self.columns = columns
        super().__init__(_words_of(columns), name=name)

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        return "config.core.search.WordIndex", self.columns, {"name": self.name}

    def matching(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Those with a word that begins with each word of the text."""
        asked = words_asked(text)
        if not asked:
            return rows.none()
        query = SearchQuery(asked, config="simple", search_type="raw")
        found: QuerySet[Any] = rows.alias(words=_words_of(self.columns)).filter(words=query)
        return found


def words_asked(text: str) -> str:
    """``"O'Neil  ada"`` → ``'O' & 'Neil':* & 'ada':*``, in PostgreSQL's language. A single Latin letter is a word of
    its own: as a beginning it would be that of everybody."""
    words = text.replace("\0", " ")[:_LONGEST].translate(_SPACES).split()[:_MOST_WORDS]
    return " & ".join(f"'{word}'" + ("" if len(word) == 1 and word.isascii() else ":*") for word in words)


def parsed_uuid(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


Related = Callable[[type[Model]], QuerySet[Any]]


class Search:
    """A text looked for in a table. ``fields`` are as an admin's ``search_fields``: relations, whose own words are
    looked at; columns of the table's own words; ``=column`` and ``^column``, whole and by their beginning; and ``id``.
    ``rows_of`` says which rows of another table, or of this, somebody may find anything by."""

    def __init__(self, model: type[Model], fields: Sequence[str], text: str, rows_of: Related) -> None:
        self.model, self.fields, self.text, self.rows_of = model, fields, text.strip(), rows_of
        self.uuid = parsed_uuid(text)
        self.has_more = False
        """Of the people or competitions found, only the first were gone on with."""

    @property
    def condition(self) -> Q:
        """Never one that joins: what is related is looked up first."""
        ways = [self._keyed(name) if name[0] in "=^" else self._named(name) for name in self.fields]
        if _index_of(self.model) is not None and self.uuid is None:
            ways.append(Q(pk__in=self._keys_in(self.model)))
        return reduce(Q.__or__, ways, Q(pk__in=()))

    def keys_of(self, name: str) -> list[Any]:
        """The rows of the table that this relation leads to."""
        related: Any = self.model._meta.get_field(name).related_model
        return [self.uuid] if self.uuid is not None else self._keys_in(related)

    def _keyed(self, name: str) -> Q:
        lookup = "exact" if name[0] == "=" else "startswith"
        is_there = ~Q(**{name[1:]: ""})  # as the indexes of columns that are often empty say it
        return Q(**{f"{name[1:]}__{lookup}": self.text.replace("\0", "")}) & is_there

    def _named(self, name: str) -> Q:
        field = self.model._meta.get_field(name)
        if field.is_relation:
            return Q(**{f"{name}__in": self.keys_of(name)})
        is_key = getattr(field, "primary_key", False) and self.uuid is not None
        return Q(pk=self.uuid) if is_key else Q(pk__in=())

    def _keys_in(self, model: type[Model]) -> list[Any]:
        index = _index_of(model)
        assert index is not None, f"{model.__name__} has no words"
        keys = list(
            index.matching(self.rows_of(model), self.text).order_by().values_list("pk", flat=True)[: MOST_FOUND + 1]
        )
        self.has_more |= len(keys) > MOST_FOUND
        return keys[:MOST_FOUND]


def _index_of(model: type[Model]) -> WordIndex | None:
    indexes = model._meta.concrete_model._meta.indexes  # type: ignore[union-attr]  # of a proxy it is the table's
    return next((index for index in indexes if isinstance(index, WordIndex)), None)
