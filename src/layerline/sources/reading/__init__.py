"""Reading a user's files exactly: no value is changed silently.

reader          many files to one table
paths           paths, patterns, folders to files
batches         a file as typed batches
delimited       CSV and TSV as text
csv_rows        quotes and rows, checked first
dialect         separator, encoding, missing words
json_lines      one JSON object a line
columnar        Parquet and Arrow
databases       rows of SQL databases
records         Python values to typed columns
parsing         text columns to types
column_types    every column looked at first
image_files     pictures to arrays
image_sets      CIFAR, SVHN, STL10, USPS
archives        zip and tar, unpacked safely
remote          copies of remote files
remote_systems  http(s) and s3 servers
unchanged       files that change while read
display_names   the user's names in messages
"""
