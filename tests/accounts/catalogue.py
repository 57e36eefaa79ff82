"""The catalogues of translations, and what they are to hold.

``DEBUG=true python -m tests.accounts.catalogue`` takes what is to be translated out of the templates and the code, puts
what is new into each catalogue, untranslated, takes out what is gone, and compiles it.
"""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import django
from babel.messages import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[2]
LOCALE = ROOT / "accounts" / "locale"
TEMPLATES = ((ROOT / "accounts" / "templates", "**/*"), (ROOT / "config" / "templates", "pages/*"))
CODE = (ROOT / "accounts",)
LANGUAGES = ("de",)
_KEYWORDS = {"gettext": None, "ngettext": (1, 2)}

Text = str | tuple[str, ...]
"""One, or of what is counted singular and plural."""


def texts() -> Iterator[tuple[Text, str]]:
    """Everything that is to be translated, and where it stands."""
    for folder, pattern in TEMPLATES:
        for path in sorted(path for path in folder.glob(pattern) if path.is_file()):
            for text in _texts_of_template(path.relative_to(folder)):
                yield text, str(path.relative_to(ROOT))
    for folder in CODE:
        for path in sorted(folder.rglob("*.py")):
            for _, text, _, _ in extract_from_file("python", path, keywords=_KEYWORDS):
                yield text, str(path.relative_to(ROOT))


def _texts_of_template(name: Path) -> Iterator[Text]:
    """As Django itself has parsed it."""
    from django.template.loader import get_template
    from django.templatetags.i18n import BlockTranslateNode, TranslateNode

    nodes = get_template(str(name)).template.nodelist  # type: ignore[attr-defined]  # this backend's own
    for node in nodes.get_nodes_by_type((TranslateNode, BlockTranslateNode)):
        if isinstance(node, TranslateNode):
            yield str(node.filter_expression.var.literal)
            continue
        singular, _ = node.render_token_list(node.singular)
        yield (singular, node.render_token_list(node.plural)[0]) if node.plural else singular


def po_path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def read_catalogue(language: str) -> Catalog:
    with po_path(language).open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalogue: Catalog) -> bytes:
    written = io.BytesIO()
    write_mo(written, catalogue)
    return written.getvalue()


def update_catalogue(language: str) -> None:
    now, path = datetime.now(UTC), po_path(language)
    wanted = Catalog(
        locale=language, project="Pacesetter", version="1", header_comment=f"# {language}", creation_date=now
    )
    for text, place in texts():
        wanted.add(text, locations=[(place, None)])  # type: ignore[list-item]  # a place without a line
    if path.exists():
        kept = read_catalogue(language)
        kept.update(wanted, no_fuzzy_matching=True)
        kept.obsolete.clear()
        wanted = kept
    wanted.revision_date = now
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, wanted, width=110, ignore_obsolete=True, include_lineno=False)
    path.with_suffix(".mo").write_bytes(compiled(read_catalogue(language)))


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    for each in LANGUAGES:
        update_catalogue(each)
