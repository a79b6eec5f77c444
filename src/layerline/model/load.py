"""A bundle's folder -> a model that predicts.

Registered versions import `load_bundle` from here, with the code that travels with them and, in a
process that already imported layerline, with whatever release that is: this name and path stay.
"""

from pathlib import Path

from layerline import __version__
from layerline.artifacts import read_json
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
    about = About.from_json(read_json(folder / ABOUT))
    if about.format > FORMAT:
        raise SourceError(
            f"{folder}: written by layerline {about.layerline} in format {about.format}; this is "
            f"layerline {__version__}, which reads formats up to {FORMAT}: update layerline"
        )
    preprocessor = Preprocessor.from_json(read_json(folder / PREPROCESSOR))
    network, spec = load_network(folder)
    # A file that the manifest does not list is not part of the model.
    decision = read_decision(folder, about.classes) if DECISION in recorded else PLAIN
    return Model(about, network, preprocessor, read_link(spec.link), decision)
