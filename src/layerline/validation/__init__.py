"""The data held to the frozen schema, batch by batch.

checking.py  what is broken, and by which rows     sifting.py    what passed, what is set aside
rowwise.py   rules that rows break                 rules.py      rules that the table breaks
flagging.py  columns that deserve a look           leaks.py      what a feature tells of the target
repeats.py   values and rows that come twice       crossing.py   rules over several columns
wording.py   what the user hears                   findings.py   hits, tallied over batches
profiling.py what each column holds                sketching.py  the same, of a stream
"""
