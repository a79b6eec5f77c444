import gzip
import hashlib
import json
from pathlib import Path

import pytest


@pytest.fixture
def openml_cache(tmp_path: Path) -> dict[str, object]:
    """Options for a table in a cache as scikit-learn keeps it, so that no network is needed."""
    arff = b"@relation t\n@attribute x numeric\n@attribute target {a,b}\n@data\n1,a\n2,b\n"
    kinds = {"x": "numeric", "target": "nominal"}
    features = [
        {"index": str(i), "name": name, "data_type": kind, "is_target": "false"}
        | {"is_ignore": "false", "is_row_identifier": "false"}
        for i, (name, kind) in enumerate(kinds.items())
    ]
    about = {"id": "5", "name": "t", "version": "1", "format": "ARFF", "status": "active"}
    about |= {"description": "", "url": "http://127.0.0.1:9/t.arff"}
    about |= {"md5_checksum": hashlib.md5(arff).hexdigest()}
    rows = [{"name": "NumberOfInstances", "value": "2"}]
    place = tmp_path / "openml" / "openml.org"
    for name, content in {
        "api/v1/json/data/5": {"data_set_description": about},
        "api/v1/json/data/features/5": {"data_features": {"feature": features}},
        "api/v1/json/data/qualities/5": {"data_qualities": {"quality": rows}},
        "t.arff": arff,
    }.items():
        file = place / f"{name}.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        file.write_bytes(gzip.compress(body))
    return {"id": 5, "data_home": str(tmp_path)}
