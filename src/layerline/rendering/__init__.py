"""Rendering: reports as Markdown, and as HTML pages that load nothing from elsewhere.

report_blocks.py  headings, tables, pictures of reports
plot_colours.py   colours and strokes of a plot's lines
templates.py      Jinja2 environments, escaping, rendering
templates/        page.html and style.css for every page; blocks.html and blocks.md; validation.html
                  with column_card.html and charts.html

To add a kind of block: a dataclass in report_blocks.py, and a macro of its name in lower case in
both blocks.html and blocks.md.
"""
