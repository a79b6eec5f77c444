import mmap
import threading
import time

import pytest

from layerline.tracking.journal import Dataset
from layerline.tracking.journal_lines import read_events
from layerline.tracking.system_metrics import Meter, sampling
from layerline.tracking.tracking_switch import SWITCH, NoJournal


def samples(path):
    return [event for event in read_events(path) if event["type"] == "metrics"]


def sampler_threads():
    return [thread for thread in threading.enumerate() if thread.name == "system-metrics"]


def wait_until(condition):
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_names_and_values_are_those_of_mlflow(tmp_path):
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    theirs: dict[str, float] = {}
    for monitor in (CPUMonitor(), DiskMonitor(), NetworkMonitor()):
        monitor.collect_metrics()
        theirs |= monitor.aggregate_metrics()
    ours = Meter(tmp_path).read()
    assert {f"system/{name}" for name in theirs} <= set(ours)
    for name in ("system_memory_usage_megabytes", "system_memory_usage_percentage"):
        assert ours[f"system/{name}"] == pytest.approx(theirs[name], rel=0.2)


def test_the_training_s_own_memory_is_read(tmp_path):
    meter = Meter(tmp_path)
    before = meter.read()["system/process_memory_megabytes"]
    ballast = mmap.mmap(-1, 50_000_000)  # the allocator might reuse what it has kept
    ballast.write(b"x" * 50_000_000)
    after = meter.read()["system/process_memory_megabytes"]
    assert 40 < after - before < 110
    ballast.close()


def test_the_shortest_training_gets_one_sample_and_the_thread_ends(new_journal):
    journal = new_journal()
    with sampling(journal, first_seconds=60):
        assert sampler_threads()
    assert not sampler_threads()
    journal.end("FINISHED")
    (only,) = samples(journal.path)
    assert only["step"] == 0


def test_samples_come_while_it_runs(new_journal):
    journal = new_journal()
    with sampling(journal, first_seconds=0.01):
        wait_until(lambda: len(samples(journal.path)) > 3)
    steps = [event["step"] for event in samples(journal.path)]
    assert steps == list(range(len(steps)))
    journal.end("FINISHED")


def test_samples_come_after_the_first_epoch(new_journal):
    """MLflow's pages put first what came first."""
    journal, has_epoch = new_journal(), threading.Event()
    with sampling(journal, first_seconds=0.01, has_epoch=has_epoch):
        for _ in range(3):
            assert samples(journal.path) == []
            time.sleep(0.05)
        journal.metrics({"train_loss": 1.0}, step=1)
        has_epoch.set()
        wait_until(lambda: len(samples(journal.path)) > 1)
    journal.end("FINISHED")
    first, *later = samples(journal.path)
    assert (first["step"], later[0]["step"]) == (1, 0)


def test_a_sampler_that_fails_is_silent(new_journal, capfd):
    journal = new_journal()
    journal.end("FINISHED")  # from now on each sample raises
    with sampling(journal, first_seconds=0.01):
        wait_until(lambda: not sampler_threads())
    assert capfd.readouterr() == ("", "")


def test_what_fails_beside_it_fails_as_ever(new_journal):
    journal = new_journal()
    with pytest.raises(ZeroDivisionError), sampling(journal):
        _ = 1 / 0
    assert not sampler_threads()
    journal.end("FAILED")


def test_switched_off_nothing_is_logged_or_started(new_journal, monkeypatch):
    monkeypatch.setenv(SWITCH, "off")
    journal = new_journal()
    with sampling(journal, first_seconds=0.01):
        assert not sampler_threads()
    assert samples(journal.path) == []
    journal.end("FINISHED")


def test_a_journal_that_nobody_keeps_takes_everything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    journal = NoJournal("key-1")
    journal.params({"a": 1})
    journal.metrics({"loss": 1.0}, step=1)
    journal.artifact(tmp_path)
    journal.dataset(Dataset(name="d", digest="e", source="s", context="training", n_rows=1))
    journal.sync()
    journal.end("FINISHED")
    assert list(tmp_path.iterdir()) == []


def test_memory_of_gpus(tmp_path):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    kept = torch.ones(1 << 28, device="cuda")  # 1 GiB
    assert Meter(tmp_path).read()["system/gpu_0_memory_usage_megabytes"] > kept.nbytes / 1e6
