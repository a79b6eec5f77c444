"""Rendering: reports as Markdown, and as HTML pages that load nothing from elsewhere.

blocks.py     headings, tables, pictures of reports
templates.py  Jinja2 environments, escaping, rendering
templates/    page.html and style.css for every page; blocks.html, blocks.md; validation.html and
              its column_card.html, charts.html

To add a kind of block: a dataclass in blocks.py, and a macro of its name in lower case in both
blocks.html and blocks.md.
"""
