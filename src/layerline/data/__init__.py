"""From any source to clean, scaled, split arrays.

fetching, validating, scaling   the work of the three data stages
sources/        one file a source, and their table
reading/        files of the user -> one Arrow table, no value silently changed
schema/         what each column must look like: inferred once, frozen
validation/     the schema enforced on every row, and a profile of each column
preprocessing/  columns -> numbers, fitted on train rows alone
splitting/      train, valid, test; k folds
streaming       a table of which only a batch or a column is in memory
arrays          data/scaled, written batch by batch
tables          what lies in data/raw and data/validated, written and read
tasks           binary, multiclass or regression, found from the target
starting        params.yaml and a schema for a user's own table
remembering     what the last fetch brought, to say what became different
watching        which of the user's files DVC watches
"""
