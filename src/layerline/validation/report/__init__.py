"""reports/validation.html: one page for people, which loads nothing from elsewhere.

page.py           what the page shows, in order
column_cards.py   one card per column
image_samples.py  a few images per class
labels.py         numbers and shares as short text

The templates are in layerline/rendering/templates.
"""
