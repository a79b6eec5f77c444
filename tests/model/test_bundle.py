import contextlib
import dataclasses
import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch

from layerline.artifacts import read_json, replace_folder, write_json
from layerline.errors import DataError, LayerlineError, SourceError
from layerline.evaluation.decision import Decision, write_decision
from layerline.evaluation.predictions import softmax
from layerline.model.bundle import FORMAT, MANIFEST, BundleContents, check_bundle, write_bundle
from layerline.model.load import load_bundle
from layerline.networks.serialization import load_network
from layerline.tables.storage import read_images, read_table
from layerline.training.inference import predict

TABLES = ["classes", "numbers"]


def raw_rows(checkout):
    frame = read_table(checkout.workspace.validated)
    return frame.drop(columns=checkout.preprocessor.target)


@pytest.mark.parametrize("name", [*TABLES, "images"])
def test_raw_test_rows_give_exactly_what_the_network_gave_in_the_pipeline(name, made, tmp_path):
    checkout = made(name)
    checkout.bundle(tmp_path / "b")
    model = load_bundle(tmp_path / "b")
    scaled = checkout.workspace.scaled
    position = np.load(scaled / "test_row.npy")
    if name == "images":
        rows = read_images(checkout.workspace.validated)[position]
    else:
        rows = raw_rows(checkout).iloc[position]
    network, spec = load_network(checkout.workspace.network)
    outputs = predict(network, torch.from_numpy(np.load(scaled / "test_x.npy"))).numpy()
    found = model.predict(rows)
    if name == "numbers":
        wanted = outputs[:, 0].astype(np.float64) * spec.target_scale + spec.target_center
        assert np.array_equal(found["prediction"], wanted)
        assert list(found) == ["prediction"]
    else:
        wanted = softmax(outputs)
        assert np.array_equal(found.iloc[:, 1:], wanted)
        assert found["prediction"].tolist() == [spec.classes[k] for k in wanted.argmax(1)]
        assert list(found)[1:] == [f"probability_{label}" for label in spec.classes]


def test_a_bundle_says_what_it_is(made, tmp_path):
    checkout = made("classes")
    written = checkout.bundle(tmp_path / "b", raw_rows(checkout)[:5])
    model = load_bundle(tmp_path / "b")
    assert model.about == written.about
    assert model.about.project == "flowers"
    assert model.about.target == "kind"
    assert [c.name for c in model.about.columns] == checkout.preprocessor.input_columns
    expected = pd.read_parquet(tmp_path / "b" / "expected.parquet")
    again = model.predict(pd.read_parquet(tmp_path / "b" / "examples.parquet"))
    pd.testing.assert_frame_equal(again, expected, check_dtype=False)


def test_equal_models_have_equal_bytes(made, tmp_path):
    for name in ("a", "b"):
        made("classes").bundle(tmp_path / name)
    assert check_bundle(tmp_path / "a") == check_bundle(tmp_path / "b")


def test_a_flipped_byte_in_any_file_is_refused(made, tmp_path):
    checkout = made("classes")
    checkout.bundle(tmp_path / "b", raw_rows(checkout)[:5])
    for path in sorted((tmp_path / "b").iterdir()):
        original = path.read_bytes()
        for position in (0, len(original) // 2, len(original) - 2):
            damaged = bytearray(original)
            damaged[position] ^= 1
            path.write_bytes(damaged)
            with pytest.raises(SourceError):
                load_bundle(tmp_path / "b")
        path.write_bytes(original)
    load_bundle(tmp_path / "b")


def test_a_missing_or_unlisted_file_is_refused(made, tmp_path):
    made("classes").bundle(tmp_path / "b")
    manifest = read_json(tmp_path / "b" / MANIFEST)
    (tmp_path / "b" / "network.safetensors").rename(tmp_path / "kept")
    with pytest.raises(SourceError, match=r"network\.safetensors: missing"):
        load_bundle(tmp_path / "b")
    (tmp_path / "kept").rename(tmp_path / "b" / "network.safetensors")
    del manifest["files"]["network.safetensors"]
    write_json(tmp_path / "b" / MANIFEST, manifest)
    with pytest.raises(SourceError, match=r"network\.safetensors: missing"):
        load_bundle(tmp_path / "b")


def test_a_bundle_of_a_newer_layerline_is_refused(made, tmp_path):
    made("classes").bundle(tmp_path / "b")
    rewrite(tmp_path / "b", "model.json", format=FORMAT + 1, layerline="9.0")
    with pytest.raises(SourceError, match=r"layerline 9\.0 in format 3.*update layerline"):
        load_bundle(tmp_path / "b")


@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_a_bundle_of_the_first_format_predicts_the_same(name, made, tmp_path):
    model = made(name).bundle(tmp_path / "b")
    state = read_json(tmp_path / "b" / "preprocessor.json")
    (part,) = state["numbers"].pop("scaled")
    state["numbers"]["affine"] = {key: part[key] for key in ("center", "scale", "clip")}
    categories = [{key: c[key] for key in ("name", "levels")} for c in state["categories"]]
    for key in ("dates", "target_curve"):
        assert not state.pop(key)
    rewrite(tmp_path / "b", "preprocessor.json", whole={**state, "categories": categories})
    rewrite(tmp_path / "b", "model.json", format=1)
    old, rows = load_bundle(tmp_path / "b"), raw_rows(made(name))
    assert old.about.format == 1
    pd.testing.assert_frame_equal(old.predict(rows), model.predict(rows), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["model.json", "spec.json", "preprocessor.json"])
def test_a_file_of_another_shape_is_damage_also_where_the_manifest_agrees(name, made, tmp_path):
    made("classes").bundle(tmp_path / "b")
    original = json.loads((tmp_path / "b" / name).read_text())
    for whole in ([], None, {}, 3, [original]):
        rewrite(tmp_path / "b", name, whole=[whole])
        with pytest.raises(SourceError):
            load_bundle(tmp_path / "b")
    for key in original:
        for value in ([], None, {}, 3, "x", [[]], [{}], {"a": None}):
            rewrite(tmp_path / "b", name, whole=[{**original, key: value}])
            with contextlib.suppress(LayerlineError):  # and nothing else
                load_bundle(tmp_path / "b")
    rewrite(tmp_path / "b", name, whole=[original])
    load_bundle(tmp_path / "b")


def rewrite(bundle, name, whole=None, **changed):
    """Write another content, and a manifest that knows it."""
    content = whole[0] if isinstance(whole, list) else whole
    write_json(bundle / name, content if whole else {**read_json(bundle / name), **changed})
    files = {
        path.name: {"sha256": digest}
        for path, digest in _digests(bundle).items()
        if path.name != MANIFEST
    }
    write_json(bundle / MANIFEST, {"files": files})


def _digests(folder):
    from layerline.artifacts import sha256_of

    return {path: sha256_of(path) for path in folder.iterdir()}


def test_column_order_and_other_columns_do_not_matter(made, tmp_path):
    checkout = made("classes")
    model = checkout.bundle(tmp_path / "b")
    rows = read_table(checkout.workspace.validated)
    shuffled = rows[list(rows.columns)[::-1]].assign(id=range(len(rows)))
    pd.testing.assert_frame_equal(model.predict(shuffled), model.predict(raw_rows(checkout)))


def test_the_index_of_the_rows_is_kept(made, tmp_path):
    checkout = made("numbers")
    rows = raw_rows(checkout).iloc[[7, 3]]
    assert list(checkout.bundle(tmp_path / "b").predict(rows).index) == [7, 3]


def forms(rows):
    """The same rows as users have them."""
    yield "objects", rows.astype(object)
    yield "text", rows.map(_as_csv_text).astype("str")
    yield "text objects", rows.map(_as_csv_text).astype(object)
    yield "None for gaps", rows.astype(object).where(rows.notna(), None)
    yield "floats", rows.assign(count=rows["count"].astype(float))
    yield "nullable", rows.convert_dtypes()
    yield "categories", rows.assign(soil=rows["soil"].astype("category"))
    yield "nanoseconds", rows.assign(planted=rows["planted"].astype("datetime64[ns]"))
    yield "zone", rows.assign(planted=rows["planted"].dt.tz_localize("UTC"))
    yield "numbers for truth", rows.assign(**{"is wild": rows["is wild"].astype(int)})
    yield "records", pd.DataFrame(json.loads(rows.to_json(orient="records", date_format="iso")))


def _as_csv_text(value):
    return None if pd.isna(value) else str(value)


def test_one_value_means_one_thing_in_every_form(made, tmp_path):
    checkout = made("classes")
    model = checkout.bundle(tmp_path / "b")
    rows = raw_rows(checkout)[:200]
    wanted = model.predict(rows)
    for name, form in forms(rows):
        try:
            pd.testing.assert_frame_equal(model.predict(form), wanted, rtol=0, atol=1e-7)
        except AssertionError as error:
            raise AssertionError(name) from error


def test_rows_that_violate_the_schema_are_predicted_only_when_asked(made, tmp_path):
    checkout = made("classes")
    model = checkout.bundle(tmp_path / "b")
    row = raw_rows(checkout).dropna().iloc[[0]]
    gap = row.assign(size=np.nan, soil=np.nan, count=np.nan, planted=pd.NaT)
    for other in (gap, row.assign(soil="lava"), row.assign(**{"is wild": None})):
        with pytest.raises(DataError, match=r"must (be one of|not be missing)"):
            model.predict(other)
        found = model.predict(other, any_value=True)
        assert np.isfinite(found.iloc[:, 1:]).all(axis=None)
        assert not np.array_equal(found.iloc[:, 1:], model.predict(row).iloc[:, 1:])


def test_no_rows_give_no_predictions(made, tmp_path):
    for name in TABLES:
        model = made(name).bundle(tmp_path / name)
        found = model.predict(raw_rows(made(name))[:0])
        assert list(found) == ["prediction", *model.about.output_columns]
        assert len(found) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"size": "big"},
            r"column 'size' must be a number, got 'big' \(3 values, rows 1, 2, 3\)",
        ),
        ({"size": np.inf}, "column 'size' must be a finite number, got inf"),
        ({"size": pd.Timestamp(0)}, "column 'size' must be a number"),
        ({"planted": "soon"}, "column 'planted' must be a date like 2024-12-31, got 'soon'"),
        ({"planted": 2020}, "column 'planted' must be a date like 2024-12-31, got 2020"),
        ({"soil": 123}, "column 'soil' must be text .*a number may have lost its form.*got 123"),
    ],
)
def test_values_that_cannot_be_read_are_named(change, message, made, tmp_path):
    checkout = made("classes")
    rows = raw_rows(checkout)[:3].assign(**change)
    with pytest.raises(DataError, match=message):
        checkout.bundle(tmp_path / "b").predict(rows)


def test_row_numbers_count_from_the_start_of_the_file(made, tmp_path):
    checkout = made("classes")
    rows = raw_rows(checkout)[:3].astype(object)
    rows.loc[1, "size"] = "big"
    with pytest.raises(DataError, match=r"\(1 value, row 1002\)"):
        checkout.bundle(tmp_path / "b").predict(rows, rows_before=1000)


def test_a_missing_column_is_named_with_the_closest_one(made, tmp_path):
    checkout = made("classes")
    model = checkout.bundle(tmp_path / "b")
    rows = raw_rows(checkout)
    with pytest.raises(DataError, match="'size' is missing; did you mean 'Size'"):
        model.predict(rows.rename(columns={"size": "Size"}))
    with pytest.raises(DataError, match="'size' is there twice"):
        model.predict(pd.concat([rows, rows[["size"]]], axis=1))
    with pytest.raises(DataError, match="reads a table with named columns, got ndarray"):
        model.predict(np.zeros((3, 5)))


def test_images_come_as_arrays_or_as_tables_of_pixels(made, tmp_path):
    checkout = made("images")
    model = checkout.bundle(tmp_path / "b")
    images = np.asarray(read_images(checkout.workspace.validated))
    wanted = model.predict(images)
    assert (
        wanted["prediction"].to_numpy() == read_table(checkout.workspace.validated)["digit"]
    ).mean() > 0.9
    table = pd.DataFrame(images.reshape(len(images), -1)).add_prefix("pixel")
    forms = [
        images[..., None],
        images.reshape(len(images), -1),
        images.astype(np.float64),
        table,
        table.assign(digit=0)[["digit", *table.columns]],
        table.astype(str),
    ]
    for form in forms:
        pd.testing.assert_frame_equal(model.predict(form), wanted)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda images: images[:, :5], r"must have the shape \(N, 6, 5\), found \(300, 5, 5\)"),
        (lambda images: images[0], r"must have the shape \(N, 6, 5\)"),
        (lambda images: images / 255, r"image 1 holds other values \(scaled to 0..1"),
        (lambda images: images.astype(str), "found values of type"),
        (lambda images: pd.DataFrame(images[:, 0]), "needs 30 columns .*found 5"),
        (lambda images: pd.DataFrame(images.reshape(300, -1)).assign(**{"3": "x"}), "found 31"),
    ],
)
def test_what_is_no_image_is_refused(spoil, message, made, tmp_path):
    checkout = made("images")
    images = np.asarray(read_images(checkout.workspace.validated))
    with pytest.raises(DataError, match=message):
        checkout.bundle(tmp_path / "b").predict(spoil(images))


def test_a_pixel_that_is_text_is_named(made, tmp_path):
    checkout = made("images")
    table = pd.DataFrame(np.zeros((3, 30))).astype(object)
    table.loc[1, 4] = "dark"
    with pytest.raises(DataError, match=r"column 4 must hold pixels.*\(row 2\)"):
        checkout.bundle(tmp_path / "b").predict(table)


def test_predicting_imports_only_what_the_requirements_name(made, tmp_path, python):
    checkout = made("classes")
    checkout.bundle(tmp_path / "b", raw_rows(checkout)[:5])
    code = (
        "import sys, pandas\n"
        "from pathlib import Path\n"
        "from layerline.model.load import load_bundle\n"
        f"folder = Path({str(tmp_path / 'b')!r})\n"
        "load_bundle(folder).predict(pandas.read_parquet(folder / 'examples.parquet'))\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"sklearn", "scipy", "dvc", "pandera", "mlflow", "matplotlib"}
    needed = {"numpy", "pandas", "pyarrow", "pydantic", "ruamel", "safetensors", "torch"}
    assert needed <= loaded


def test_temperature_and_threshold_travel_with_the_model(made, tmp_path):
    checkout = made("classes")
    rows = raw_rows(checkout)
    plain = checkout.bundle(tmp_path / "a").predict(rows)
    with replace_folder(tmp_path / "decision", {}) as folder:
        write_decision(folder, Decision(temperature=2.0), checkout.preprocessor.classes)
    contents = BundleContents(
        project="flowers",
        network_folder=checkout.workspace.network,
        preprocessor=checkout.preprocessor,
        columns=checkout.columns,
        decision_folder=tmp_path / "decision",
    )
    write_bundle(tmp_path / "b", contents)
    found = load_bundle(tmp_path / "b").predict(rows)
    powers = np.sqrt(plain.iloc[:, 1:].to_numpy())
    np.testing.assert_allclose(
        found.iloc[:, 1:], powers / powers.sum(axis=1, keepdims=True), rtol=1e-9
    )
    assert found["prediction"].tolist() == plain["prediction"].tolist()
    halves = np.log([[0.6, 0.4], [0.7, 0.3]])
    model = load_bundle(tmp_path / "a")
    two = dataclasses.replace(model.about, classes=("no", "yes"))
    model = dataclasses.replace(model, about=two, decision=Decision(threshold=0.35))
    assert model.decode(halves)["prediction"].tolist() == ["yes", "no"]


def test_a_bundle_from_before_decisions_loads_and_a_slipped_in_one_is_ignored(made, tmp_path):
    checkout = made("classes")
    rows = raw_rows(checkout)[:9]
    wanted = checkout.bundle(tmp_path / "b").predict(rows)
    manifest = read_json(tmp_path / "b" / MANIFEST)
    del manifest["files"]["decision.json"]
    write_json(tmp_path / "b" / MANIFEST, manifest)
    write_decision(tmp_path / "b", Decision(temperature=9.0), checkout.preprocessor.classes)
    pd.testing.assert_frame_equal(load_bundle(tmp_path / "b").predict(rows), wanted)
    (tmp_path / "b" / "decision.json").unlink()
    pd.testing.assert_frame_equal(load_bundle(tmp_path / "b").predict(rows), wanted)
