"""Projects: a user's params.yaml and schema, written and checked."""
