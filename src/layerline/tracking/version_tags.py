"""The tags of a registered version that hold the sha256 of its files, and their comparison."""

from collections.abc import Mapping

from layerline.artifacts import NETWORK_CODE, NETWORK_SPEC, NETWORK_WEIGHTS
from layerline.errors import SourceError
from layerline.tracking.mlflow_names import plain_tags

HASH_TAGS = {
    "layerline.network_sha256": NETWORK_WEIGHTS,
    "layerline.preprocessor_sha256": "preprocessor.json",
    "layerline.spec_sha256": NETWORK_SPEC,
    "layerline.decision_sha256": "decision.json",
    "layerline.code_sha256": NETWORK_CODE,
}


def compare_tags(uri: str, found: Mapping[str, str], tags: Mapping[str, str]) -> None:
    """Refuse files that are not those registered under these tags.

    Their own manifest cannot tell: the files of another version agree with their manifest, too.

    Args:
        uri: the version's.
        found: the sha256 of its files by name.
        tags: the version's.

    Raises:
        SourceError: names the file, its sha256 and the registered one.
    """
    recorded_tags = plain_tags(tags)
    for tag, name in HASH_TAGS.items():
        recorded = recorded_tags.get(tag)
        if recorded is not None and recorded != found.get(name):
            raise SourceError(
                f"{uri}: {name} has sha256 {found.get(name, 'missing')[:12]}…, registered was "
                f"{recorded[:12]}…: the files of this version were replaced by others, and were "
                "not loaded; restore them, or choose another version (`layerline history`)"
            )
