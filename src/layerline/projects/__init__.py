"""Projects: a user's params.yaml and schema, written and checked.

new               a repository of the user's own
code_hashes       the package's code as DVC dependencies
template/         the files of a new project
init              params.yaml and a first schema
init_images       the same for picture folders
editor_files      schemas/, for editors
clone_merges      git pull in a clone of Layerline
params_text       the text of params.yaml
watched_files     source files that DVC watches
preflight         the whole params file checked
component_tables  where params.yaml names components
param_paths       values written, comments kept
cluster_files     one training on several machines
cluster_templates/ their templates
adopt             a run's params into params.yaml
outdated          outputs that other params made
combinations      components that do not combine
target_combinations  what several targets exclude
"""
