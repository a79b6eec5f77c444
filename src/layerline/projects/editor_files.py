"""schemas/: what editors complete and check params.yaml and the schema of the data by.

They are made by docs/site/editor_schemas.py from the code, and shipped.
"""

import json
from pathlib import Path
from typing import Any

from layerline.artifacts import write_text
from layerline.projects.code_hashes import template_text

FOLDER = "schemas"
NAMES = ("params.schema.json", "table.schema.json")


def write_editor_files(root: Path) -> None:
    """Write those of this release into a project."""
    for name, text in editor_files().items():
        write_text(root / name, text)


def editor_files() -> dict[str, str]:
    """Their paths from the root of a project, and their texts."""
    return {f"{FOLDER}/{name}": template_text(name) for name in NAMES}


def params_schema() -> dict[str, Any]:
    """The JSON schema of params.yaml, with every component and option."""
    found: dict[str, Any] = json.loads(template_text(NAMES[0]))
    return found
