"""Inspecting: what the store knows of the runs, told in a user's words.

    opening.py       the journals sent, then the store opened for reading
    reading.py       a run as we see it, and how runs are read from MLflow
    choosing.py      the run a user means by an id, a name or an alias
    differences.py   params that differ, and their shortest clear names
    hashes.py        the md5 of files that DVC recorded with a run
    listing.py       `layerline runs`: newest first, what each one changed
    explaining.py    `--why`: what changed since the run before it, stage by stage
    wording.py       that explanation as lines of text
    finding.py       `--find`: who made a file, who used it
    digests.py       the hash asked for, and every hash a run carries
    sweeping.py      `--sweep`: dead runs get an end
    comparing.py     `layerline compare`: all that is laid side by side
    pairing.py       the test rows that runs share, and what they say
    curves.py        the learning curves of several runs in one PNG
    reporting.py     the comparison as Markdown, as JSON, and with the runs

MLflow is imported when `opening.open_store` is called, not before.
"""
