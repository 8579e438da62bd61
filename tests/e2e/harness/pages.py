"""The HTML of the pages under test, from the templates in ``pages/``."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template

from tests.e2e.cases import BENIGN, HARMFUL, PageCase
from tests.e2e.harness.server import Page

_TEMPLATES = Path(__file__).parent.parent / "pages"


def page(template: str, texts: Mapping[str, str] | None = None) -> Page:
    """A template with ``$name`` replaced by ``texts[name]``, escaped."""
    source = Template((_TEMPLATES / template).read_text())
    return Page(source.substitute({name: escape(text) for name, text in (texts or {}).items()}))


def mixed_page(case: PageCase) -> Page:
    """A page case with harmful and benign texts in the elements of those ids."""
    texts = {f"harmful_{index}": text for index, text in enumerate(HARMFUL)}
    texts |= {f"benign_{index}": text for index, text in enumerate(BENIGN)}
    return Page(page(case.template, texts).html, dict(case.headers))
