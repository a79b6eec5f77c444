"""The compiled way gives what Model.predict gives: every network, scaler, kind of column, gap."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from registered import COLUMNS, flowers, make_table

from layerline.columns.judge import LOOSE
from layerline.config import parse_params
from layerline.model.bundle import About
from layerline.model.load import load_bundle
from layerline.model.predictor import Model
from layerline.networks import build_network
from layerline.networks.activations import ACTIVATIONS
from layerline.networks.embeddings import fit_embeddings
from layerline.scaling.preprocessing.dates import DATES
from layerline.scaling.preprocessing.encoders import ENCODERS
from layerline.scaling.preprocessing.scalers import SCALERS
from layerline.scaling.preprocessing.target_transforms import TARGETS
from layerline.scaling.scale import scale
from layerline.serving.column_checks import frame_of, judge_frame
from layerline.serving.compiled_model import agree
from layerline.serving.json_rows import Refused, RowReader
from layerline.serving.numpy_network import fold
from layerline.serving.request_handler import COMPILED, PANDAS, RequestHandler
from layerline.tables.storage import read_table

UNSEEN = "a soil that no row had"


def as_json(frame: pd.DataFrame) -> list[dict[str, object]]:
    """The rows as a caller would send them."""
    text = frame.assign(planted=frame["planted"].dt.strftime("%Y-%m-%dT%H:%M:%S"))
    plain = text.astype(object).where(text.notna(), None)
    return [
        {k: v.item() if isinstance(v, np.generic) else v for k, v in row.items()}
        for row in plain.to_dict("records")
    ]


@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_raw_rows_with_gaps_and_unseen_levels_predict_as_the_model_does(name, made, bundle):
    frame = read_table(made(name).workspace.validated)
    frame.loc[frame.index[::7], "soil"] = UNSEEN
    handler = RequestHandler(load_bundle(bundle(name)), any_value=True)
    assert handler.way == COMPILED
    found = handler.predict_rows(as_json(frame))
    assert agree(found, handler.model.predict(frame, any_value=True))


def test_images_predict_as_the_model_does(made, bundle):
    handler = RequestHandler(load_bundle(bundle("images")))
    assert handler.way == COMPILED
    images = np.random.default_rng(1).integers(0, 256, (50, 6, 5), dtype=np.uint8)
    found = handler.handle("application/json", str(images.tolist()).encode()).predicted
    assert agree(found, handler.model.predict(images))


SECTIONS = {
    **{f"numeric: {name}": {"numeric": name} for name in SCALERS},
    **{f"categorical: {name}": {"categorical": name} for name in ENCODERS},
    **{f"dates: {name}": {"dates": name} for name in DATES},
    **{f"target: {name}": {"target": name} for name in TARGETS},
    "rare": {"categorical": {"name": "one_hot", "max_levels": 2}},
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_way_to_prepare_columns_is_compiled(section, tmp_path):
    parsed, problems = parse_params(
        {"project": "p", "fetch": {"source": "files"}, "scale": SECTIONS[section]}
    )
    assert parsed is not None, problems
    frame = flowers(200).drop(columns="kind")
    checkout = make_table(tmp_path, frame, COLUMNS, "height", "regression")
    scale(checkout.workspace, parsed.scale, seed=0)
    fitted = checkout.preprocessor
    torch.manual_seed(0)
    network = build_network(
        "mlp",
        {"hidden": [8]},
        input_shape=(len(fitted.features),),
        d_out=1,
        category_sizes=fitted.category_sizes,
    ).eval()
    columns = tuple(column for column in COLUMNS if column.use)
    by_name = {column.name: column for column in columns}
    about = About(
        "p",
        "regression",
        "height",
        None,
        tuple(by_name[name] for name in fitted.input_columns),
        None,
    )
    handler = RequestHandler(Model(about, network, fitted), any_value=True)
    assert handler.way == COMPILED
    frame.loc[::5, "soil"] = UNSEEN
    assert agree(
        handler.predict_rows(as_json(frame)), handler.model.predict(frame, any_value=True), 100
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "options",
    [{"norm": "batch"}, {"norm": "layer"}, {"norm": "none"}, {"residual": True, "norm": "batch"}],
    ids=str,
)
def test_a_folded_network_gives_what_torch_gives(activation, options):
    torch.manual_seed(0)
    network = build_network(
        "mlp",
        {"hidden": [16, 16, 8], "activation": activation, **options},
        input_shape=(7,),
        d_out=3,
    )
    x = torch.randn(64, 7)
    network.train()
    network(x)  # batch norm has statistics that are not 0 and 1
    network.eval()
    folded = fold(network)
    assert folded is not None
    with torch.inference_mode():
        np.testing.assert_allclose(folded(x.numpy()), network(x).numpy(), rtol=1e-5, atol=1e-6)


OWN = {"name": "piecewise_linear", "edges": "quantile", "bins": 8}
EMBEDDED = {
    "none": {"embedding_width": 3},
    "normal": {"numeric_embeddings": "piecewise_linear"},
    "own": {"numeric_embeddings": OWN},
}


@pytest.mark.parametrize("rows", [1, 3, 40_000])  # some by comparisons, many by binary search
@pytest.mark.parametrize("codes", [(), (3, 5)], ids=["numbers", "codes"])
@pytest.mark.parametrize("options", EMBEDDED.values(), ids=EMBEDDED)
def test_embeddings_are_folded_too(options, codes, rows):
    torch.manual_seed(0)
    shape, given = (4 + len(codes),), {"hidden": [8], **options}
    network = build_network("mlp", given, input_shape=shape, d_out=3, category_sizes=codes).eval()
    x = torch.randn(rows, *shape) * 2
    x[:, 1], x[:, 2] = x[:, 1].round(), (x[:, 2] > 0).float()
    for place, size in enumerate(codes, start=4):
        x[:, place] = torch.randint(size, (rows,))
    fit_embeddings(network, x)
    with torch.inference_mode():
        expected = network(x).numpy()
    np.testing.assert_allclose(fold(network)(x.numpy()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weights", [[], [0.5, 0.2, 0.3]], ids=["alike", "weighted"])
@pytest.mark.parametrize("mean", ["outputs", "probabilities", "exponentials"])
def test_an_ensemble_is_folded_member_by_member(mean, weights):
    torch.manual_seed(0)
    options = {
        "member_options": {"hidden": [8], "norm": "none"},
        "members": 3,
        "mean": mean,
        "variations": [{}, {"hidden": [6, 5]}, {"numeric_embeddings": OWN}],
        "weights": weights,
    }
    network = build_network("ensemble", options, input_shape=(4,), d_out=3).eval()
    x = torch.randn(50, 4)
    fit_embeddings(network, x)
    with torch.inference_mode():
        expected = network(x).numpy()
    np.testing.assert_allclose(fold(network)(x.numpy()), expected, rtol=1e-4, atol=1e-5)
    network.members[1].blocks.append(torch.nn.Softsign())  # a layer that is unknown there
    assert fold(network) is None


@pytest.mark.parametrize("rows", [1, 100])
def test_a_network_that_cannot_be_folded_runs_in_torch(rows, bundle):
    model = load_bundle(bundle("numbers"))
    torch.manual_seed(0)
    width = len(model.preprocessor.features)
    seven = build_network(
        "mlp", {"numeric_embeddings": "periodic", "hidden": [8]}, input_shape=(width,), d_out=1
    ).eval()
    assert fold(seven) is None
    handler = RequestHandler(dataclasses.replace(model, network=seven))
    assert handler.way == COMPILED
    frame = pd.DataFrame(handler.examples()[:1] * rows)
    assert agree(
        handler.predict_rows(frame.to_dict("records")), handler.model.predict(frame, any_value=True)
    )


def test_what_the_compiled_way_gets_wrong_is_served_by_the_model_itself(bundle):
    class Other(Model):
        def decode(self, outputs, x=None):
            return super().decode(outputs * np.float32(1.1), x)  # a step this room does not know

    model = load_bundle(bundle("classes"))
    other = Other(**{f.name: getattr(model, f.name) for f in dataclasses.fields(model)})
    handler = RequestHandler(other)
    assert handler.way == PANDAS
    frame = pd.DataFrame(handler.examples())
    assert agree(handler.predict_rows(handler.examples()), other.predict(frame))


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.floats(-1e6, 1e6),
    st.sampled_from(["clay", "sand", "00123", "moon", "2024-02-30", "2024-02-29", "", "5"]),
    st.just([]),
)
NAMES = ["size", "soil", "count", "is wild", "planted"]
RIGHT = {"size": 5.0, "soil": "clay", "count": 3, "is wild": False, "planted": "2024-02-29"}


@settings(max_examples=200, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2), any_value=st.booleans())
def test_the_fast_way_refuses_what_the_columns_refuse(changes, any_value, bundle_model):
    columns = tuple(column for column in COLUMNS if column.use)
    limited = tuple(
        dataclasses.replace(c, minimum=0, maximum=9) if c.kind == "number" else c for c in columns
    )
    reader = RowReader(limited, bundle_model.preprocessor, any_value)
    row = {**RIGHT, **changes}
    _, faults = judge_frame(frame_of([row], limited), limited, LOOSE if any_value else None)
    if faults:
        with pytest.raises(Refused) as refused:
            reader.read([row])
        assert list(refused.value.faults) == faults
    else:
        reader.read([row])


@pytest.fixture(scope="module")
def bundle_model(bundle):
    return load_bundle(bundle("classes"))
