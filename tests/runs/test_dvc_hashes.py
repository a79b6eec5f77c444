from labs import md5

from layerline.runs.dvc_hashes import Hashes, compare, lists_cut, recorded, with_whole_lists
from layerline.runs.param_differences import Change

N_FILES = 300  # of 46 characters each: more than the 8,000 that a tag holds


def long_list(changed=None):
    files = {f"data/{number:04}.csv": md5(str(number)) for number in range(N_FILES)}
    files |= {} if changed is None else {changed: md5("changed")}
    return files


def tell(lab, key, files, with_lock):
    with lab.journal(key) as journal:
        journal.tags({"dvc.fetch.deps": "\n".join(f"{path}={h}" for path, h in files.items())})
        journal.tags({"layerline.stage": "train"})
        if with_lock:
            items = "".join(f"    - path: {path}\n      md5: {h}\n" for path, h in files.items())
            lock = lab.home / "dvc.lock"
            lock.write_text(f"schema: '2.0'\nstages:\n  fetch:\n    cmd: x\n    deps:\n{items}")
            journal.artifact(lock)
    lab.flush()


def test_what_was_recorded():
    tags = {"dvc.train.deps": f"data/a=b.csv={'1' * 32}\nsrc/x={'2' * 32}.dir"}
    assert recorded(tags, "train", "outs") is None
    assert recorded(tags, "train", "deps") == Hashes(
        {"data/a=b.csv": "1" * 32, "src/x": "2" * 32 + ".dir"}
    )


def test_a_list_too_long_for_a_tag_is_whole_again_with_the_lock_file(empty_lab):
    files = long_list()
    tell(empty_lab, "long", files, with_lock=True)
    run = empty_lab.run("long")
    assert lists_cut(run) == ["dvc.fetch.deps"]
    cut = recorded(run.tags, "fetch", "deps")
    assert cut.is_cut
    assert 0 < len(cut.md5) < N_FILES
    assert cut.md5.items() < files.items()  # the entry that was cut in the middle is left out
    whole = recorded(with_whole_lists(empty_lab.client, run).tags, "fetch", "deps")
    assert whole == Hashes(files)


def test_a_change_beyond_the_end_of_a_tag_is_found(empty_lab, layerline):
    tell(empty_lab, "before", long_list(), with_lock=True)
    tell(empty_lab, "after", long_list(changed="data/0299.csv"), with_lock=True)
    output = layerline(empty_lab, "runs", "--why", "mlp-after").stdout
    assert "reads: data/0299.csv changed" in output
    assert "longer than a tag" not in output
    first, last = layerline(empty_lab, "runs").stdout.splitlines()[1:]
    assert first.endswith("  data")
    assert last.endswith("  first run")


def test_without_a_lock_file_what_is_missing_is_reported(empty_lab, layerline):
    tell(empty_lab, "before", long_list(), with_lock=False)
    tell(empty_lab, "after", long_list(changed="data/0299.csv"), with_lock=False)
    output = layerline(empty_lab, "runs", "--why", "mlp-after").stdout
    assert "0299.csv" not in output
    before, after = (empty_lab.run(key).short for key in ("before", "after"))
    assert f"the list of its deps is longer than a tag, and cut in {before} and {after}" in output
    found = layerline(empty_lab, "runs", "--find", md5("299"))
    assert "no run in this store made or used it" in found.stdout
    assert "2 runs list more files than fit into a tag of MLflow" in found.stderr


def test_of_cut_lists_only_what_both_hold_is_compared():
    whole = Hashes({"a": "1", "b": "2", "c": "3"})
    cut = Hashes({"a": "1", "b": "9"}, is_cut=True)
    assert compare(whole, cut) == (Change("b", "2", "9"),)
    assert compare(cut, whole) == (Change("b", "9", "2"),)
    assert compare(Hashes({"a": "1"}), Hashes({"b": "2"})) == (
        Change("b", None, "2"),
        Change("a", "1", None),
    )
