"""Self-contained HTML pages rendered from the templates."""

import base64
from pathlib import Path
from typing import Any

from benchmarks.tables.published import Published
from benchmarks.tables.table import cell, shown, title

TEMPLATES = Path(__file__).parents[1] / "templates"


def as_html(result: Published, png: bytes) -> str:
    """Return the page of one table or figure."""
    return render("table.html", result=result, png=embedded(png))


def render(template: str, **values: Any) -> str:
    """Render a template; all values are escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template(template).render(cell=cell, title=title, shown=shown, **values)


def embedded(png: bytes) -> str:
    """Return a picture as base64, to be embedded in a page."""
    return base64.b64encode(png).decode()
