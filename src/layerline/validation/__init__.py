"""Checks the data against the frozen schema, batch by batch.

validate.py            the stage: reads, checks, writes
checks.py              what is broken, by which rows
refusal.py             report, printed warnings, refusal
row_weights.py         the column of row weights
row_rules.py           rules that rows break
table_rules.py         rules that the table breaks
column_warnings.py     columns that deserve a look
cross_column.py        rules over several columns
own_rule.py            a function in the user's project
image_rules.py         rules for images
leakage.py             features that give the target away
duplicates.py          values and rows that repeat
disk_array.py          one word a row, on disk
pandera_schema.py      columns in pandera's terms
row_batches.py         tables read batch by batch
batch_check.py         what one batch shows alone
quarantine.py          rows that passed, rows set aside
violations.py          hits, tallied over batches
violation_messages.py  what the user reads
profile.py             what each column holds
streaming_profile.py   the same, of a stream
column_summary.py      a column in one batch
schema/                the frozen schema
report/                the page
"""
