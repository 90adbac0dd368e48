"""One self-contained HTML page for a table or figure of the paper."""

import base64

from benchmarks.table import Table, cell, shown, title

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ heading }}</title>
<style>
 body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #222 }
 .wide { overflow-x: auto }
 table { border-collapse: collapse; white-space: nowrap }
 th, td { padding: .3rem .7rem; border-bottom: 1px solid #ddd; text-align: right }
 th:first-child, td:first-child { text-align: left }
 thead th { border-bottom: 2px solid #555 }
 td small { color: #777; display: block }
 tfoot tr:first-child td { border-top: 2px solid #555 }
 tfoot td { border-bottom: 0 }
 .best { font-weight: bold }
 .tied { background: #dff3df }
 img { max-width: 100%; margin-top: 1rem }
 .note { color: #555 }
</style></head><body>
<h1>{{ heading }}</h1>
<p>{{ claim }}</p>
<p class="note">In each cell: measured here (mean ± standard deviation)
{%- if table.paper %}, and below it what the paper prints{% endif %}.
{%- if table.competition %} Of each column the best is bold, and those whose ranges overlap with it green.{% endif %}
</p>
<div class="wide"><table>
<thead><tr><th>{{ title(table.label).capitalize() }}</th>
{% for key in table.shown %}<th>{{ title(key) }}</th>{% endfor %}
<th>trials</th>{% for column in table.columns %}<th>{{ title(column) }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}
<tr><td>{{ row[table.label] }}</td>{% for key in table.shown %}<td>{{ shown(row[key]) }}</td>{% endfor %}
<td>{{ row.trials }}</td>
{% for column in table.columns %}<td class="{{ table.standing(row, column) }}">
{{- cell(row[column ~ "_mean"], row[column ~ "_std"]) }}
{%- if table.paper %}<small>{{ cell(table.printed(row, column)) }}</small>{% endif %}</td>{% endfor %}</tr>{% endfor %}
</tbody>
<tfoot>{% for name, texts in table.feet() %}
<tr><td>{{ name }}</td>{% for key in table.shown %}<td></td>{% endfor %}<td></td>
{% for column in table.columns %}<td>{{ texts[column] }}</td>{% endfor %}</tr>{% endfor %}</tfoot>
</table></div>
<img src="data:image/png;base64,{{ png }}" alt="The table as a picture">
<p class="note">{{ setting }}</p>
</body></html>
"""


def as_html(table: Table, *, heading: str, claim: str, setting: str, png: bytes) -> str:
    """The page: heading, claim, the table, a picture, and how it was made."""
    import jinja2

    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(_PAGE)
    return template.render(
        table=table,
        heading=heading,
        claim=claim,
        setting=setting,
        cell=cell,
        title=title,
        shown=shown,
        png=base64.b64encode(png).decode(),
    )
