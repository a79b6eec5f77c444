"""Write mlflow_store.sql: `python -m layerline.tracking.template`, after each new MLflow.

MLflow takes seconds to migrate an empty sqlite database through all versions it ever had. The
template is the dump of one such database; it is used only by the MLflow that made it.
"""

import sqlite3
from pathlib import Path

from layerline.artifacts import write_text
from layerline.artifacts.temporary import temporary_folder
from layerline.tracking.database import TEMPLATE, migrate, template_header


def dump_fresh_store() -> str:
    """Migrate an empty database and return it as SQL, without the times and places in it."""
    with temporary_folder() as folder:
        database = folder / "mlflow.db"
        migrate(database)
        connection = sqlite3.connect(database)
        connection.execute(
            "UPDATE experiments SET artifact_location = '', creation_time = 0, last_update_time = 0"
        )
        lines = [template_header(), *connection.iterdump()]
        connection.close()
    return "\n".join(lines) + "\n"


def main() -> None:
    """Replace the template in the package."""
    write_text(Path(__file__).with_name(TEMPLATE), dump_fresh_store())


if __name__ == "__main__":
    main()
