"""The HTML of the report: its style, its security policy, and its components."""

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keras_repreg.commands.findings import Finding
from keras_repreg.commands.text import printable

STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --muted: #57606a; --page: #fff; --line: #d8dee4; --card: #f6f8fa;
  --link: #0550ae; --broken: #a40e26; --major: #9a4a00; --minor: #57606a; --measurement: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --muted: #9aa4ae; --page: #0d1117; --line: #30363d;
  --card: #161b22; --link: #79b8ff; --broken: #ff8f8f; --major: #ffb366; --minor: #9aa4ae; --measurement: #79b8ff; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 74rem;
  margin: 2rem auto; padding: 0 1.5rem; overflow-wrap: anywhere; }
a { color: var(--link); }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1.05rem; display: inline; }
small, .about { color: var(--muted); font-weight: normal; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
td small { display: block; font-size: .8rem; }
th:first-child, td.words { text-align: left; white-space: normal; }
td.words { min-width: 14rem; }
.layers th:first-child { position: sticky; left: 0; background: var(--page); padding-left: 0; }
.layers th:first-child a { display: block; max-width: min(14rem, 36vw); overflow-wrap: break-word; }
thead th { border-bottom: 2px solid var(--line); vertical-align: bottom; white-space: normal; overflow-wrap: normal; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .15rem 1rem; font-size: .85rem; }
dt { font-weight: 600; } dd { margin: 0; color: var(--muted); }
.findings { list-style: none; padding: 0; margin: .6rem 0; }
.findings li { padding: .35rem .8rem; margin: .3rem 0; background: var(--card); border-left: 4px solid var(--minor); }
.findings .broken { border-color: var(--broken); } .findings .major { border-color: var(--major); }
.findings .measurement { border-color: var(--measurement); }
.level { font-size: .75rem; font-weight: 600; text-transform: uppercase; letter-spacing: .04em; color: var(--minor); }
.broken .level { color: var(--broken); } .major .level { color: var(--major); }
.measurement .level { color: var(--measurement); }
.layer { border-top: 1px solid var(--line); margin: 0; } .layer > div { padding: 0 0 1rem; scroll-margin-top: 4rem; }
summary { cursor: pointer; padding: .5rem 0; } details details summary { color: var(--muted); }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem;
  align-items: start; }
figure { margin: 0; min-width: 0; } figure.wide { grid-column: 1 / -1; }
figure img { max-width: 100%; height: auto; display: block; margin: 0 auto; background: #fff; border-radius: 4px; }
figcaption { font-size: .85rem; color: var(--muted); text-align: center; }
@media (max-width: 45rem) { body { margin: 1rem auto; padding: 0 1rem; } figure.wide img { max-width: none; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
@media print { :root { --text: #000; --muted: #444; --page: #fff; --line: #ccc; --card: #fff; --link: #000;
    --broken: #a40e26; --major: #9a4a00; --minor: #444; --measurement: #0550ae; }
  body { margin: 0; padding: 0; max-width: none; font-size: 10pt; } a { text-decoration: none; }
  .scroll { overflow: visible; } table { font-size: 7.5pt; } th, td { padding: .15rem .3rem; white-space: normal; }
  .pictures { grid-template-columns: repeat(3, 1fr); }
  .layers th:first-child { position: static; } figure, li, tr { break-inside: avoid; }
  h2, summary { break-after: avoid; } summary { list-style: none; }
  details::details-content { content-visibility: visible; display: block; height: auto; } }
"""

# The page shows only its own content and runs no code.
POLICY = (
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src 'sha256-"
    f"{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)
# The number of remarks shown; the others are folded.
REMARKS = 10


@dataclass(frozen=True)
class Remark:
    """A finding and the layers that have it: their numbers, names and findings."""

    layers: list[tuple[int, str, Finding]]

    @property
    def finding(self) -> Finding:
        """The most severe of its findings."""
        return max((finding for _, _, finding in self.layers), key=lambda finding: finding.severity)


def escaped(text: object) -> str:
    """Return text for the page, with control characters made visible."""
    return html.escape(printable(text), quote=True)


def remarks(found: Iterable[tuple[int, str, Finding]]) -> list[Remark]:
    """Return the findings of all layers, the most severe first, merging those with the same title and level."""
    merged: dict[tuple[str, str], Remark] = {}
    for number, name, finding in found:
        merged.setdefault((finding.title, finding.level), Remark([])).layers.append((number, name, finding))
    return sorted(merged.values(), key=lambda remark: -remark.finding.severity)


def stands_out(found: Sequence[Remark], layers: int) -> str:
    """Return the list of findings for a model with this many layers."""
    if not found:
        return '<p class="about">Nothing stands out.</p>'
    items = [_item(remark, layers) for remark in found]
    shown = f'<ul class="findings">{"".join(items[:REMARKS])}</ul>'
    if len(items) > REMARKS:
        rest = f'<ul class="findings">{"".join(items[REMARKS:])}</ul>'
        shown += f"<details><summary>{len(items) - REMARKS} more, less severe</summary>{rest}</details>"
    return shown


def _item(remark: Remark, layers: int) -> str:
    finding = remark.finding
    if len(remark.layers) == 1:
        ((number, name, _),) = remark.layers
        return _list_item(finding, f"<strong>{link(number, name)}</strong>: {escaped(finding.text)}")
    ordered = sorted(remark.layers, key=lambda layer: -layer[2].severity)
    briefs = [one.brief for _, _, one in ordered]
    names = ", ".join(
        link(number, name) + (f" ({escaped(one.brief)})" if one.brief else "") for number, name, one in ordered
    )
    every = "all " if len(ordered) == layers else ""
    where = f" in {every}{len(ordered)} layers" + (f": {names}" if any(briefs) or not every else "")
    return _list_item(finding, f"<strong>{escaped(finding.title)}</strong>{where}. {escaped(finding.advice)}")


def finding_item(finding: Finding) -> str:
    """Return the finding of a layer as a list item."""
    return _list_item(finding, escaped(f"{finding.text} {finding.advice}".strip()))


def _list_item(finding: Finding, content: str) -> str:
    return f'<li class="{finding.level}"><span class="level">{finding.level}</span> {content}</li>'


def link(number: int, name: str) -> str:
    """Return a link to a layer's section."""
    return f'<a href="#layer-{number}">{escaped(name)}</a>'


def figure(title: str, kind: str, image: tuple[str, int, int]) -> str:
    """Return a figure: `kind` is "wide" or "narrow", `image` its source, width and height."""
    source, width, height = image
    return (
        f'<figure class="{kind}"><div class="scroll"><img alt="{escaped(title)}" width="{width}" height="{height}" '
        f'src="{source}"></div><figcaption>{escaped(title)}</figcaption></figure>'
    )


def section(number: int, name: str, size: str, summary: str, body: str, *, opened: bool) -> str:
    """Return the section of a layer, folded unless `opened`. A link to it unfolds it."""
    return (
        f'<details class="layer"{" open" if opened else ""}><summary><h3>{escaped(name)}</h3> '
        f"<small>{escaped(size)}; {escaped(summary)}</small></summary>"
        f'<div id="layer-{number}">{body}</div></details>'
    )


def table(columns: Sequence[str], rows: Sequence[str]) -> str:
    """Return the table of all layers, which scrolls inside a frame on narrow pages."""
    head = "".join(f'<th scope="col">{escaped(column)}</th>' for column in columns)
    return (
        '<div class="scroll" role="region" aria-label="Characteristics of all layers" tabindex="0">'
        f'<table class="layers"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def document(title: str, body: str) -> str:
    """Return the whole page."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )
