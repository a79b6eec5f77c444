"""The contract, the table of weights, and that nothing changes before the first step."""

import dataclasses

import pytest
import torch

from layerline.artifacts import SourceFiles
from layerline.config import AdaptersSection, TransferSection
from layerline.errors import ParamsError, SourceError
from layerline.training.transfer.start import make_plan, table


@pytest.fixture
def plan(tmp_path, source, lab):
    """Plan for a preprocessor here; returns the plan and the network as loaded."""

    def run(here=None, spec=None, files=None, **transfer):
        here = here or source[2]
        spec = spec or lab("spec_of")(here)
        workspace = lab("write_here")(tmp_path / "new", here)
        torch.manual_seed(7)
        network = spec.build()
        section = TransferSection(**{"source": "models", **transfer})
        made = make_plan(section, files or source[0], network, spec, workspace.preprocessor)
        return made, network.eval()

    return run


def rows(n_features, seed=0):
    return torch.randn(30, n_features, generator=torch.Generator().manual_seed(seed))


def statuses(plan):
    return {entry.name: entry.status for entry in plan.entries}


def test_a_plain_load_predicts_what_the_source_did(plan, source):
    made, network = plan()
    x = rows(4)
    assert torch.equal(network(x), source[1](x))
    assert set(statuses(made).values()) == {"loaded"}
    assert made.counts["new"] == 0
    assert made.counts["learning"] == made.counts["parameters"]
    assert "the preprocessor is the source's" in made.notes[0]


def test_columns_in_another_order_and_new_ones_keep_the_predictions(plan, source, lab):
    here = lab("table_preprocessor")(
        ["weight", "height", "years"], {"city": ["Bonn", "Kiel", "Ulm"]}
    )
    made, network = plan(here, columns={"age": "years"})
    x = rows(6)  # weight, height, years, Bonn, Kiel, Ulm
    assert torch.allclose(network(x), source[1](x[:, [2, 1, 3, 5]]), atol=1e-6)
    first = next(entry for entry in made.entries if entry.name == "blocks.0.weight")
    assert first.status == "mapped"
    assert first.note == "zero for the new weight, city=Kiel"


EMBEDDED = [
    {"name": "piecewise_linear", "width": 4, "bins": 5},
    {"name": "piecewise_linear", "width": 4, "bins": 5, "edges": "quantile"},
    {"name": "periodic", "width": 4, "frequencies": 3},
]


def test_a_map_that_all_features_share_is_loaded_as_it_is(tmp_path, plan, lab):
    one = {"name": "periodic", "width": 4, "frequencies": 3}  # as wide as there are features
    options = {"hidden": [8, 8], "dropout": 0.0, "numeric_embeddings": one}
    then = lab("table_preprocessor")(["a", "b", "c", "d"])
    here = lab("table_preprocessor")(["d", "a", "c", "b"])
    files, old = lab("write_source")(tmp_path / "then", then, lab("spec_of")(then, options=options))
    made, network = plan(here, lab("spec_of")(here, options=options), files=files)
    x = rows(4)
    torch.testing.assert_close(network(x[:, [3, 0, 2, 1]]), old.eval()(x), rtol=0, atol=1e-6)
    assert statuses(made)["embed.numbers.linear.weight"] == "loaded"


def test_columns_of_an_ensemble_in_another_order_are_refused(tmp_path, plan, lab):
    options = {"member_options": {"hidden": [8], "dropout": 0.0}, "members": 2}
    then, here = (lab("table_preprocessor")(names) for names in (["a", "b"], ["b", "a"]))
    specs = [lab("spec_of")(one, network="ensemble", options=options) for one in (then, here)]
    files, _ = lab("write_source")(tmp_path / "then", then, specs[0])
    with pytest.raises(ParamsError, match="of 'ensemble' cannot be matched by name"):
        plan(here, specs[1], files=files)


@pytest.mark.parametrize("embeddings", EMBEDDED, ids=lambda one: "-".join(map(str, one.values())))
def test_embedded_columns_are_matched_by_name_too(tmp_path, plan, lab, embeddings):
    options = {"hidden": [8, 8], "dropout": 0.0, "numeric_embeddings": embeddings}
    then = lab("table_preprocessor")(["age", "height"], {"city": ["Bonn", "Ulm"]})
    spec = lab("spec_of")(then, options=options)
    files, old = lab("write_source")(tmp_path / "then", then, spec)
    here = lab("table_preprocessor")(
        ["weight", "height", "years"], {"city": ["Bonn", "Kiel", "Ulm"]}
    )
    made, network = plan(
        here, lab("spec_of")(here, options=options), files=files, columns={"age": "years"}
    )
    x = rows(6)  # weight, height, years, Bonn, Kiel, Ulm
    torch.testing.assert_close(network(x), old.eval()(x[:, [2, 1, 3, 5]]), rtol=0, atol=1e-6)
    notes = {entry.name: entry.note for entry in made.entries if entry.status == "mapped"}
    assert notes.pop("blocks.0.weight") == "zero for the new weight, city=Kiel"
    assert set(notes.values()) == {"drawn for the new weight, city=Kiel"}
    assert all(network.state_dict()[name][0].any() for name in notes if "bias" not in name)


def test_embeddings_of_another_size_are_refused(tmp_path, plan, lab):
    then = lab("table_preprocessor")(["age", "height"])
    here = lab("table_preprocessor")(["height", "age", "weight"])

    def spec_of(preprocessor, bins):
        one = {"name": "piecewise_linear", "width": 4, "bins": bins}
        return lab("spec_of")(preprocessor, options={"hidden": [8], "numeric_embeddings": one})

    files, _ = lab("write_source")(tmp_path / "then", then, spec_of(then, 5))
    with pytest.raises(ParamsError, match="numeric_embeddings"):
        plan(here, spec_of(here, 6), files=files)


def test_a_column_left_behind_is_reported(plan, lab):
    here = lab("table_preprocessor")(["age"], {"city": ["Bonn", "Ulm"]})
    made, _ = plan(here, columns={"height": None})
    assert "left behind: height" in made.entries[0].note


def test_known_classes_keep_their_rows_and_new_ones_get_fresh_ones(plan, source, lab):
    here = dataclasses.replace(source[2], classes=("b", "new", "a"))
    made, network = plan(here)
    x = rows(4)
    assert torch.allclose(network(x)[:, [2, 0]], source[1](x)[:, [0, 1]], atol=1e-6)
    entry = next(entry for entry in made.entries if entry.name == "head.weight")
    assert (entry.status, entry.note) == ("mapped", "rows kept for b, a; new for new")


def test_other_classes_get_a_new_head(plan, source):
    made, _ = plan(dataclasses.replace(source[2], classes=("x", "y", "z")))
    assert statuses(made)["head.weight"] == "new"
    assert made.counts["new"] == 27


def test_a_number_in_another_unit_is_predicted_in_that_unit(tmp_path, plan, lab):
    number = {"task": "regression", "classes": None}
    then = lab("table_preprocessor")(["a"], target_center=10.0, target_scale=4.0, **number)
    now = lab("table_preprocessor")(["a"], target_center=-3.0, target_scale=0.5, **number)
    files, old = lab("write_source")(tmp_path / "n", then, lab("spec_of")(then))
    _, network = plan(now, files=files)
    x = rows(1)
    torch.testing.assert_close(network(x) * 0.5 - 3.0, old(x) * 4.0 + 10.0, rtol=0, atol=1e-5)


def test_a_refitted_preprocessor_is_reported(plan, lab):
    here = lab("table_preprocessor")(["age", "height"], {"city": ["Bonn", "Ulm"]}, center=3.0)
    made, _ = plan(here)
    assert "was fitted to the new data" in made.notes[0]


def test_the_table_says_when_each_weight_learns(plan):
    made, _ = plan(last_blocks=1, head_epochs=2)
    learns = {line[0]: line[3] for line in table(made)}
    assert learns["blocks.0.weight"] == "frozen"
    assert learns["blocks.3.weight"] == "from epoch 3"
    assert learns["head.weight"] == "learns"
    assert made.counts["frozen"] == 4 * 8 + 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numbers": ["age"]}, "reads column 'height', and the data have none; map it with"),
        ({"columns": {"agge": "age"}}, "source reads no column 'agge'; it reads age, height, city"),
        ({"columns": {"age": "years"}}, "the data have no column 'years'; they have age, height"),
        ({"columns": {"age": "height"}}, "two of the source's columns become 'height'"),
        ({"numbers": ["age", "height", "city"], "categories": {}}, "column 'city' is a category"),
        ({"classes": [1, 2, 3], "theirs": ["1", "2", "3"]}, "classes are str ('1'), here they are"),
        ({"task": "regression", "classes": None}, "the source's task is multiclass, here it is"),
        ({"network": "seven_layer", "options": {}}, "set train.network: mlp"),
        ({"options": {"activation": "gelu"}}, "is 'gelu', the source was trained with 'relu'"),
        (
            {"options": {"hidden": [8]}},
            "train.options.hidden: is (8,), the source was trained with (8, 8)",
        ),
        (
            {"skip": ("blok.*",)},
            "train.transfer.skip: 'blok.*' matches nothing; there are: blocks.0",
        ),
        ({"learn": ("bloks.0.*",)}, "train.transfer.learn: 'bloks.0.*' matches nothing"),
        ({"last_blocks": 3}, "train.transfer.last_blocks: is 3, but the network has 2 blocks"),
        (
            {"adapters": AdaptersSection(on=("x",))},
            "train.transfer.adapters.on: 'x' matches nothing",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_what_does_not_fit_is_refused(tmp_path, plan, lab, change, message):
    theirs = change.pop("theirs", ["a", "b", "c"])
    base = {"numbers": ["age", "height"], "categories": {"city": ["Bonn", "Ulm"]}}
    then = lab("table_preprocessor")(**base, classes=theirs)
    files, _ = lab("write_source")(tmp_path / "then", then, lab("spec_of")(then))
    parts = {key: change.pop(key) for key in list(change) if key in (*base, "task", "classes")}
    here = lab("table_preprocessor")(**{**base, **parts})
    options = {key: change.pop(key) for key in list(change) if key in ("network", "options")}
    if "options" in options and options.get("network") is None:
        options["options"] = {"hidden": [8, 8], "dropout": 0.0, **options["options"]}
    with pytest.raises(ParamsError) as caught:
        plan(here, lab("spec_of")(here, **options), files, **change)
    assert message in str(caught.value)


def test_a_table_is_no_start_for_images(tmp_path, plan, lab):
    affine = {"center": [0.0], "scale": [1.0], "clip": False}
    here = lab("table_preprocessor")([], image=affine, image_shape=[2, 2])
    with pytest.raises(ParamsError, match="the source reads a table, the data are images"):
        plan(here, lab("spec_of")(here, input_shape=(1, 2, 2)))


def test_another_architecture_is_reported_by_its_first_weights(tmp_path, plan, source):
    from safetensors.torch import save_file

    save_file({f"layer{k}.weight": torch.zeros(2, 2) for k in range(9)}, tmp_path / "w.safetensors")
    with pytest.raises(ParamsError) as caught:
        plan(files=SourceFiles(tmp_path / "w.safetensors"))
    assert "the source has no weight 'blocks.0.weight'" in str(caught.value)
    assert "more weights do not fit" in str(caught.value)


def test_bare_weights_get_a_new_head_unless_it_is_to_be_kept(tmp_path, plan, source):
    files = SourceFiles(source[0].weights)
    assert statuses(plan(files=files)[0])["head.weight"] == "new"
    made, network = plan(files=files, head="keep")
    assert statuses(made)["head.weight"] == "loaded"
    assert torch.equal(network(rows(4)), source[1](rows(4)))


def test_a_tampered_or_wrong_file_never_loads(plan, source):
    right = source[0].weights.read_bytes()
    with pytest.raises(SourceError, match=r"train\.transfer\.sha256 is 0{64}; .* was not loaded"):
        plan(sha256="0" * 64)
    named = dataclasses.replace(source[0], sha256_start="deadbeef")
    with pytest.raises(SourceError, match=r"its name has deadbeef…; .* was not loaded"):
        plan(files=named)
    source[0].weights.write_bytes(right[:-10])
    with pytest.raises(SourceError, match="cannot be read as weights"):
        plan()


def test_a_pickle_that_holds_more_than_weights_is_refused(tmp_path, plan, source):
    torch.save(source[1], tmp_path / "whole.pth")  # the module itself: code
    with pytest.raises(SourceError, match="pickle that holds more than weights"):
        plan(files=SourceFiles(tmp_path / "whole.pth"))
    torch.save({"state_dict": source[1].state_dict()}, tmp_path / "state.pth")
    made, _ = plan(files=SourceFiles(tmp_path / "state.pth"))
    assert statuses(made)["blocks.0.weight"] == "loaded"
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    with pytest.raises(SourceError, match="holds no state dict"):
        plan(files=SourceFiles(tmp_path / "none.pth"))
