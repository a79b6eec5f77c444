"""Small plots as SVG text: no library is imported, and they follow the page's colours."""

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 280.0, 76.0


def number(value: float) -> str:
    """About four digits, for labels."""
    if 1e3 <= abs(value) < 1e9 or (abs(value) < 1e3 and value == int(value)):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def histogram(counts: Sequence[int], low: str, high: str, marks: Sequence[float] = ()) -> str:
    """Bars of counts over a base line.

    Args:
        counts: one for each bin, all of equal width.
        low: what stands at the left end.
        high: what stands at the right end.
        marks: places from 0 to 1 at which a thin line stands (quartiles).
    """
    top, step = max(counts, default=0) or 1, WIDTH / max(len(counts), 1)
    bars = "".join(
        f'<rect x="{i * step + 0.75:.2f}" y="{HEIGHT - h:.2f}" width="{step - 1.5:.2f}" '
        f'height="{h:.2f}" rx="1"><title>{count:,}</title></rect>'
        for i, count in enumerate(counts)
        # A bin with few rows must not look empty.
        if (h := max(HEIGHT * count / top, 1.5) if count else 0.0)
    )
    lines = "".join(
        f'<line x1="{x * WIDTH:.2f}" x2="{x * WIDTH:.2f}" y1="0" y2="{HEIGHT:g}"/>' for x in marks
    )
    label = escape(f"histogram from {low} to {high}", quote=True)
    return (
        f'<svg class="histogram" viewBox="0 0 {WIDTH:g} {HEIGHT + 1:g}" role="img" '
        f'preserveAspectRatio="none" aria-label="{label}">'
        f'{bars}<g class="marks">{lines}</g>'
        f'<line class="base" x1="0" x2="{WIDTH:g}" y1="{HEIGHT + 0.5:g}" y2="{HEIGHT + 0.5:g}"/>'
        f'</svg><div class="ends"><span>{escape(low)}</span><span>{escape(high)}</span></div>'
    )


def bars(counts: Sequence[tuple[str, int]], total: int) -> str:
    """One horizontal bar for each name, with its share."""
    top = max((count for _, count in counts), default=0) or 1
    rows = "".join(
        f'<div class="bar" title="{escape(name, quote=True)}: {count:,}">'
        f'<span class="name">{escape(name) or "<i>empty</i>"}</span>'
        f'<span class="track"><span style="width:{100 * count / top:.1f}%"></span></span>'
        f'<span class="share">{share(count, total)}</span></div>'
        for name, count in counts
    )
    return f'<div class="bars">{rows}</div>'


def share(count: int, total: int) -> str:
    """A percentage that is neither 0 % nor 100 % by rounding alone."""
    percent = 100 * count / total if total else 0.0
    if 0 < percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100:
        return ">99.9%"
    return f"{percent:.0f}%" if percent in (0, 100) or percent >= 10 else f"{percent:.1f}%"
