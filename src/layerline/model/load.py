"""A bundle's folder -> a model that predicts.

Registered versions import `load_bundle` from here, with the code that travels with them and, in a
process that already imported layerline, with whatever release that is: this name and path stay.
"""

from pathlib import Path

from layerline import __version__
from layerline.artifacts import NETWORK_SPEC, read_json_as
from layerline.errors import SourceError
from layerline.evaluation.decision import DECISION, PLAIN, read_decision
from layerline.model.bundle import ABOUT, FORMAT, PREPROCESSOR, About, check_bundle
from layerline.model.predictor import Model
from layerline.networks.serialization import load_network
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.training.objectives import read_link


def load_bundle(folder: Path) -> Model:
    """Check every byte of a bundle, then load it.

    Raises:
        SourceError: a file is missing or its bytes differ from those written, or a newer layerline
            wrote it.
    """
    recorded = check_bundle(folder)
    about = read_json_as(folder / ABOUT, About.from_json)
    if about.format > FORMAT:
        raise SourceError(
            f"{folder}: written by layerline {about.layerline} in format {about.format}; this is "
            f"layerline {__version__}, which reads formats up to {FORMAT}: update layerline"
        )
    preprocessor = read_json_as(folder / PREPROCESSOR, Preprocessor.from_json)
    network, _ = load_network(folder)
    link = read_json_as(folder / NETWORK_SPEC, lambda spec: read_link(spec.get("link")))
    # A file that the manifest does not list is not part of the model.
    decision = read_decision(folder, about.classes) if DECISION in recorded else PLAIN
    return Model(about, network, preprocessor, link, decision)
