import pytest

from layerline.runs.open_store import RequestError
from layerline.runs.resolve import choose, choose_version


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        ("mlp-two", "two"),
        ("kind-fox", "two"),
        ("champion", "one"),
        ("challenger", "two"),
        ("v1", "one"),
    ],
)
def test_by_name_experiment_alias_and_version(full_lab, wanted, key):
    assert choose(full_lab.client, "digits", wanted).run_id == full_lab.run_id(key)


@pytest.mark.parametrize("wanted", ["2", "v2", "challenger", "mlp-two", "kind-fox"])
def test_a_version_by_number_alias_and_run(full_lab, wanted):
    assert choose_version(full_lab.client, "digits", wanted) == "2"


def test_a_run_without_a_version_is_refused(full_lab):
    with pytest.raises(RequestError, match="has no version of digits; `layerline history`"):
        choose_version(full_lab.client, "digits", full_lab.run_id("four"))


def test_by_id_and_its_beginning(full_lab):
    client = full_lab.client
    ids = {key: full_lab.run_id(key) for key in ("one", "two", "three", "four")}
    for run_id in ids.values():
        length = next(
            n for n in range(1, 33) if sum(i.startswith(run_id[:n]) for i in ids.values()) == 1
        )
        assert choose(client, "digits", run_id[:length]).run_id == run_id
        assert choose(client, "digits", run_id).run_id == run_id


def test_a_full_id_may_be_of_another_stage(full_lab):
    run_id = full_lab.run_id("scale-d1")
    assert choose(full_lab.client, "digits", run_id).stage == "scale"


def test_champion_is_the_alias_that_register_gives(own_lab):
    own_lab.client.set_registered_model_alias("digits", "production", "2")
    own_lab.client.delete_registered_model_alias("digits", "champion")
    chosen = choose(own_lab.client, "digits", "champion", alias="production")
    assert chosen.run_id == own_lab.run_id("two")
    with pytest.raises(RequestError, match=r"no champion yet \(its model's aliases: challenger, p"):
        choose(own_lab.client, "digits", "champion")


def test_several_are_listed(own_lab):
    for key in ("a", "b"):
        with own_lab.journal(key, run_name="twin") as journal:
            journal.tags({"layerline.stage": "train"})
    own_lab.flush()
    with pytest.raises(RequestError, match="'twin' matches 2 runs; name one by its id:") as error:
        choose(own_lab.client, "digits", "twin")
    assert {own_lab.run(key).short for key in ("a", "b")} == {
        line.split()[0] for line in str(error.value).splitlines()[1:]
    }


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("mlp-tow", r"has no run 'mlp-tow'; did you mean:\n  .{8} \(mlp-two, .*, FINISHED\)"),
        ("kind-fix", r"did you mean:\n  .{8} \(mlp-two,"),
        ("champon", r"did you mean champion\?"),
        (
            "v7",
            r"has no version 7 \(newest: \d\), and no run 'v7'; the newest:\n  .{8} \(mlp-four, ",
        ),
        ("f" * 32, r"the store: there is no run f{32}"),
        ('it\'s "100%"', "the newest:"),
        ("", "has no run ''"),
    ],
)
def test_near_ones_are_listed_when_none_is_meant(full_lab, wanted, said):
    with pytest.raises(RequestError, match=said):
        choose(full_lab.client, "digits", wanted)


def test_an_odd_name_is_found(own_lab):
    with own_lab.journal("odd", run_name="it's `100%`") as journal:
        journal.tags({"layerline.stage": "train"})
    own_lab.flush()
    assert choose(own_lab.client, "digits", "it's `100%`").run_id == own_lab.run_id("odd")


def test_an_empty_store_says_what_makes_a_run(empty_lab):
    with pytest.raises(RequestError, match="there are no runs yet: run `dvc repro`"):
        choose(empty_lab.client, "digits", "mlp-one")


def test_deleted_runs_are_not_meant(own_lab):
    run_id = own_lab.run_id("two")
    own_lab.client.delete_run(run_id)
    with pytest.raises(RequestError, match="has no run 'mlp-two'"):
        choose(own_lab.client, "digits", "mlp-two")
    with pytest.raises(RequestError, match=f"run {run_id} was deleted; .*restore_run"):
        choose(own_lab.client, "digits", run_id)
