"""Where each artifact lives, atomic writes, and manifests with the sha256 of each file.

workspace     the folders of a project
atomic_files  files written complete or not
json_files    JSON of earlier stages, read
manifests     folders sealed with sha256 sums
temporary     temporary folders, swept after kills

A stage writes a folder through `replace_folder`: everything goes to a temporary sibling, is
fsynced and described by `manifest.json`, and only then takes the place of the old folder.
Whoever reads a folder calls `read_manifest`, which recomputes every sha256.
"""

from layerline.artifacts.atomic_files import (
    replace_file,
    sha256_of,
    to_json,
    write_json,
    write_text,
)
from layerline.artifacts.json_files import read_json, read_json_as, read_run_key
from layerline.artifacts.manifests import MANIFEST, read_manifest, replace_folder
from layerline.artifacts.workspace import (
    FORGETTING,
    NETWORK_CODE,
    NETWORK_SPEC,
    NETWORK_WEIGHTS,
    OUT_OF_FOLD,
    STAGES,
    TRANSFER,
    SourceFiles,
    Workspace,
    find_workspace,
    journals_of,
)

__all__ = [
    "FORGETTING",
    "MANIFEST",
    "NETWORK_CODE",
    "NETWORK_SPEC",
    "NETWORK_WEIGHTS",
    "OUT_OF_FOLD",
    "STAGES",
    "TRANSFER",
    "SourceFiles",
    "Workspace",
    "find_workspace",
    "journals_of",
    "read_json",
    "read_json_as",
    "read_manifest",
    "read_run_key",
    "replace_file",
    "replace_folder",
    "sha256_of",
    "to_json",
    "write_json",
    "write_text",
]
