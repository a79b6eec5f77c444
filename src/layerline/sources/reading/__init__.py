"""Reading a user's files exactly: no value is changed silently.

reader          many files to one table
file_columns    columns that differ between files
paths           paths, patterns, folders to files
batches         a file as typed batches
bounded         one uploaded file, within limits
limits          how much a file may unfold to
delimited       CSV and TSV as text
form            titles, comments, separator before the table
encoding        an unknown encoding, found
csv_rows        quotes and rows, checked first
dialect         separator, encoding, missing words
json_lines      one JSON object per line
columnar        Parquet and Arrow columns to types
parquet_file    Parquet rows in bounded batches
parquet_pages   what Parquet pages declare
parquet_footer  columns as Parquet footers have
thrift          values of the compact protocol
arrow_file      Arrow rows in bounded batches
decoded         dictionaries decoded by measure
databases       rows of SQL databases
records         Python values to typed columns
parsing         text columns to types
column_types    every column looked at first
file_surveys    a file's columns, seen once
typed_rows      rows in the columns' types
on_cluster      files read by Dask's workers
image_files     pictures to arrays
image_sets      CIFAR, SVHN, STL10, USPS
archives        zip, tar, Excel, unpacked safely
archive_members members of archives, one by one
compressed      .gz, .bz2, .xz, .zst
spreadsheet     sheets of Excel files as CSV
json_array      a list of JSON objects
plain_copy      what is inside, for a prediction
remote          copies of remote files
remote_systems  http(s) and s3 servers
unchanged       files that change while read
display_names   the user's names in messages
"""
