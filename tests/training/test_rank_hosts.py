"""A training across two hosts, which are network namespaces of this machine (as root, with ip)."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import rank_work
from rank_work import AGAIN, KILLED

ROOT = Path(__file__).resolve().parents[2]
HOSTS = {"a": "10.77.0.1", "b": "10.77.0.2"}


def ip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)


@pytest.fixture
def hosts() -> Iterator[dict[str, str]]:
    """Two namespaces with a cable between them, by the letters of HOSTS."""
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and ip")
    names = {letter: f"layerline-{os.getpid()}-{letter}" for letter in HOSTS}
    try:
        try:
            for name in names.values():
                ip("netns", "add", name)
            ends = ["name", "lla", "netns", names["a"], "type", "veth"]
            ip("link", "add", *ends, "peer", "name", "llb", "netns", names["b"])
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr}")
        for letter, name in names.items():
            ip("-n", name, "addr", "add", f"{HOSTS[letter]}/24", "dev", f"ll{letter}")
            for device in ("lo", f"ll{letter}"):
                ip("-n", name, "link", "set", device, "up")
        yield names
    finally:
        for name in names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def torchrun(letter: str, name: str, folder: Path) -> subprocess.Popen[bytes]:
    source = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    command = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    command += ["--max-restarts", "8", "--monitor-interval", "0.1", "--rdzv-id", "x"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"{HOSTS['a']}:29400"]
    # A namespace has its machine's name, so torchrun cannot find out which host is which.
    command += ["--rdzv-conf", f"is_host={int(letter == 'a')}", "--local-addr", HOSTS[letter]]
    return subprocess.Popen(
        ["ip", "netns", "exec", name, sys.executable, *command, rank_work.__file__, str(folder)],
        env={
            **os.environ,
            "PYTHONPATH": source,
            "KILLS": "2",
            "GLOO_SOCKET_IFNAME": f"ll{letter}",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_ranks_on_two_hosts_are_killed_and_end_in_the_same_bytes(
    hosts: dict[str, str], tmp_path: Path
) -> None:
    running = [torchrun(letter, name, tmp_path) for letter, name in hosts.items()]
    assert [process.wait(300) for process in running] == [0, 0]
    found = [(tmp_path / f"{name}.safetensors").read_bytes() for name in (KILLED, AGAIN)]
    assert (tmp_path / "resumed").is_file()
    assert found[0] == found[1]
