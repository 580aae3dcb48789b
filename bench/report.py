"""Tables in Markdown, and the chart for the README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

WIDTH, LEFT, RIGHT, ROW = 720, 170, 130, 30  # pixels: the picture, the names, the figures, each bar's line

SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" \
aria-label="{title}" font-family="system-ui, sans-serif" font-size="14">
<style>
text {{ fill: #1f2328 }} .other {{ fill: #8c959f }} .ours {{ fill: #0969da }}
@media (prefers-color-scheme: dark) {{
  text {{ fill: #e6edf3 }} .other {{ fill: #6e7681 }} .ours {{ fill: #4493f8 }}
}}
</style>
{body}
</svg>
"""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def chart(path: Path, title: str, rates: Mapping[str, float], marked: str) -> None:
    """Write bars as SVG, longest first; ``marked``: names that begin so stand out. Legible on light and dark."""
    order = sorted(rates.items(), key=lambda one: -one[1])
    scale = (WIDTH - LEFT - RIGHT) / max(rates.values())
    height = 50 + ROW * len(order)
    parts = [f'<text x="0" y="20" font-weight="600">{escape(title)}</text>']
    for number, (name, rate) in enumerate(order):
        y = 40 + ROW * number
        kind, weight = ("ours", ' font-weight="600"') if name.startswith(marked) else ("other", "")
        width = rate * scale
        parts += [
            f'<text x="{LEFT - 10}" y="{y + 16}" text-anchor="end"{weight}>{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="22" rx="3" class="{kind}"/>',
            f'<text x="{LEFT + width + 8:.1f}" y="{y + 16}"{weight}>{rate:,.0f} lines/s</text>',
        ]
    path.write_text(SVG.format(width=WIDTH, height=height, title=escape(title), body="\n".join(parts)))
