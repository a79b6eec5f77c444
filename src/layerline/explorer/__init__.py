"""The explorer: one offline HTML page on which a network is run, changed and learnt.

find_model       the model that a user names
model_home       its model card and run
textbook         the seven layers, on digits
network_layers   a network as plain layers
sample_rows      test rows, columns and ranges
page_data        all that the page reads
build_page       page, script and data together
notebook         the same walk as a notebook
page/            the page itself: plain JavaScript

The files of page/ are ES modules without a build step: `build_page.SCRIPTS` lists them in the order
of their imports. `npx prettier --print-width 100 --write page/*.js` formats them.
"""
