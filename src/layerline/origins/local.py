"""Weights that are on this machine already."""

from pathlib import Path

from layerline.artifacts import MANIFEST, NETWORK_SPEC, NETWORK_WEIGHTS, SourceFiles, read_manifest
from layerline.errors import SourceError

PREPROCESSOR = "preprocessor.json"
BUNDLE_MANIFEST = "MANIFEST.json"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


def source_of_path(root: Path, name: str) -> SourceFiles:
    """A weights file, a folder models/network, the models folder around it, or a model's bundle.

    Raises:
        SourceError: it is none of these, or a file's bytes are not those recorded.
    """
    path = root / name
    if path.is_dir():
        return source_of_folder(path)
    if path.is_file() and path.suffix in SUFFIXES:
        return SourceFiles(path)
    what = "missing" if not path.exists() else f"not a weights file ({', '.join(SUFFIXES)})"
    raise SourceError(
        f"train.transfer.from: {name!r} is {what}; name a folder models/network, a weights file, "
        "champion, models:/NAME@ALIAS, run:RUN, dvc:REVISION or torchvision:NETWORK/WEIGHTS"
    )


def source_of_folder(folder: Path) -> SourceFiles:
    """What a training or the registry made, every byte checked.

    Raises:
        SourceError: a file is missing, or its bytes are not those recorded.
    """
    for inner in ("network", "models/network"):
        if (folder / inner / NETWORK_WEIGHTS).is_file():
            folder = folder / inner
            break
    if not (folder / NETWORK_WEIGHTS).is_file():
        raise SourceError(f"{folder}: has no {NETWORK_WEIGHTS}; name a folder models/network")
    has_bundle = (folder / BUNDLE_MANIFEST).is_file()
    read_manifest(folder, BUNDLE_MANIFEST if has_bundle else MANIFEST)
    beside = folder.parent / "preprocessor"
    preprocessor = folder / PREPROCESSOR
    if not preprocessor.is_file():
        preprocessor = beside / PREPROCESSOR
        if preprocessor.is_file():
            read_manifest(beside)
    spec = folder / NETWORK_SPEC
    return SourceFiles(
        weights=folder / NETWORK_WEIGHTS,
        spec=spec if spec.is_file() else None,
        preprocessor=preprocessor if preprocessor.is_file() else None,
    )
