import json

from labs import PARAMS, lineage, md5


def test_stage_by_stage_in_words(full_lab, layerline):
    one, two = full_lab.run("one"), full_lab.run("two")
    text = layerline(full_lab, "runs", "--why", "kind-fox").stdout
    assert text.splitlines()[:2] == [f"why {two}", f"against {one}, the run before it"]
    blocks = text.split("\n\n")[1].splitlines()
    scale = full_lab.run("scale-d1").short
    assert "code      commit 1111111, clean → commit 2222222, clean" in blocks
    assert f"scale     did not run again: both used its run {scale}" in blocks
    start = blocks.index("train     ran")  # the reason it gave is the param below
    assert blocks[start + 1 : start + 4] == [
        "          param: train.options.dropout 0.2→0.4",
        f"          code: src/layerline/training changed ({md5('1')[:8]} → {md5('2')[:8]})",
        f"          wrote: models/network changed ({md5('1')[:8]} → {md5('2')[:8]})",
    ]
    assert "runs/train.json" not in text


def test_a_data_stage_that_ran_again(full_lab, layerline):
    text = layerline(full_lab, "runs", "--why", "mlp-three").stdout
    assert f"scale     ran as {full_lab.run('scale-d2').short}: because d2" in text
    assert "          param: scale.split.test 0.2→0.1" in text
    assert "          reads: houses.csv changed" in text
    assert "train     ran: first run\n          reads: data/scaled changed" in text


def test_a_run_that_did_not_get_far(full_lab, layerline):
    text = layerline(full_lab, "runs", "--why", "mlp-four").stdout
    assert "it ended with: interrupted" in text
    assert "same commit 2222222 with uncommitted changes (before: clean)" in text
    assert (
        "train     did not run, or recorded no reason\n          param: train.epochs 4→400" in text
    )


def test_the_first_run(full_lab, layerline):
    text = layerline(full_lab, "runs", "--why", "v1").stdout
    assert "it is the first run of digits" in text
    assert "train     ran: first run" in text
    assert "not recorded" not in text


def test_nothing_differs(own_lab, layerline):
    for key in ("again", "and-again"):
        own_lab.tell_training(key, {}, lineage())
    own_lab.flush()
    text = layerline(own_lab, "runs", "--why", "mlp-and-again").stdout
    assert text.endswith("nothing that was recorded differs: the same params, files and commit\n")
    with own_lab.journal("third") as journal:
        journal.params({**PARAMS, "seed": "1"})
        journal.tags({**lineage(), "layerline.stage": "train"})
    text = layerline(own_lab, "runs", "--why", "mlp-third").stdout
    assert "overall\n          param: seed 0→1" in text
    assert "nothing that was recorded differs" not in text


def test_a_stage_from_the_cache_is_reported(own_lab, layerline):
    with own_lab.journal("restored") as journal:
        journal.tags({"layerline.stage": "train", "layerline.why.train": "forced"})
        journal.link("layerline.run.scale", "scale-d1")
        journal.link("layerline.restored.scale", "scale-d1")
    text = layerline(own_lab, "runs", "--why", "mlp-restored").stdout
    short = own_lab.run("scale-d1").short
    assert f"scale     was not run: DVC took the outputs of its run {short} from its cache" in text
    missing = f"what files it read and wrote is not recorded in {own_lab.run('restored').short}"
    assert f"train     ran: forced\n{' ' * 10}param: −" in text
    assert missing in text


def test_a_param_longer_than_mlflow_keeps_is_reported(own_lab, layerline):
    long = "x" * 7000
    for key, value in (("a", long), ("b", f"{long}y")):
        with own_lab.journal(key) as journal:
            journal.params({"study.space": value})
            journal.tags({"layerline.stage": "train"})
    text = layerline(own_lab, "runs", "--why", "mlp-b").stdout
    assert "note: longer than MLflow keeps, and so compared by their beginnings only: stu" in text
    assert "nothing that was recorded differs" not in text


def test_as_json(full_lab, layerline):
    found = json.loads(layerline(full_lab, "runs", "--why", "v2", "--json").stdout)
    assert found["before"] == full_lab.run_id("one")
    assert found["git"]["commit"] == ["1" * 40, "2" * 40]
    stages = {stage["stage"]: stage for stage in found["stages"]}
    change = {"name": "train.options.dropout", "before": "0.2", "after": "0.4"}
    assert stages["train"]["params"] == [change]
    assert stages["train"]["ran"] == "train.options.dropout: 0.2 → 0.4"
    assert stages["scale"]["is_same"] is True


def test_only_trainings_are_explained(full_lab, layerline):
    run_id = full_lab.run_id("scale-d1")
    result = layerline(full_lab, "runs", "--why", run_id, code=2)
    assert "is a run of stage scale; --why explains trainings" in result.stderr
