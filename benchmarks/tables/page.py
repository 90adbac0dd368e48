"""Self-contained HTML pages, from the templates."""

import base64
from pathlib import Path
from typing import Any

from benchmarks.tables.published import Published
from benchmarks.tables.table import cell, shown, title

TEMPLATES = Path(__file__).parents[1] / "templates"


def as_html(result: Published, png: bytes) -> str:
    """One table or figure: heading, claim, the table, a picture, and how it was made."""
    return render("table.html", result=result, png=embedded(png))


def render(template: str, **values: Any) -> str:
    """A template with values, all of them escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template(template).render(cell=cell, title=title, shown=shown, **values)


def embedded(png: bytes) -> str:
    """A picture as text, to be part of a page."""
    return base64.b64encode(png).decode()
