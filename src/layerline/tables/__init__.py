"""Tables: what lies in data/raw and data/validated, and the task found from a target.

storage.py  one reader and one writer
encodings.py  how large tables are encoded
npy_files.py  arrays on disk, mapped
threads.py  reading ahead, writing behind
row_groups.py  row groups worked on at once
cluster.py  row groups on Dask's workers
task.py     the task that a target asks for
targets.py  several targets at once
"""
