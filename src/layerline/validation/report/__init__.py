"""reports/validation.html: one page that needs nothing else, for people.

page.py    what is on it, in order      cards.py     one card a column
drawing.py bars and histograms as SVG   pictures.py  images as PNG     style.py  the style sheet
"""
