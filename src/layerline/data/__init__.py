"""From any source to clean, scaled, split arrays.

sources/        one file a source, and their table
reading         files of the user -> one Arrow table, no value silently changed
tables          what lies in data/raw and data/validated, written and read
tasks           binary, multiclass or regression, found from the target
schema          what each column must look like: inferred once, frozen, enforced
validation      the schema enforced on every row; profiling describes each column
splitting       train, valid, test
preprocessing   columns -> numbers, fitted on train rows alone
starting        params.yaml and a schema for a user's own table
"""
