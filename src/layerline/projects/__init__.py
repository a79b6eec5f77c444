"""Projects: a user's params.yaml and schema, written and checked.

init              params.yaml and a first schema
params_text       the text of params.yaml
watched_files     source files that DVC watches
preflight         the whole params file checked
component_tables  where params.yaml names components
param_paths       dotted paths of params.yaml, changed
adopt             a run's params into params.yaml
outdated          outputs that other params made
combinations      components that do not combine
"""
