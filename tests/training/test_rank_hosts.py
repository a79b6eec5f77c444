"""A training across three hosts: network namespaces of this machine (as root, with ip)."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import rank_work
from rank_work import AGAIN, CUT, IS_CUT, KILLED, LOST

ROOT = Path(__file__).resolve().parents[2]
HOSTS = {"a": "10.77.0.1", "b": "10.77.0.2", "c": "10.77.0.3"}
SWITCH = "switch"


def ip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)


def connect(names: dict[str, str]) -> None:
    """A cable from each host to the switch, a bridge in a namespace of its own."""
    switch = names[SWITCH]
    ip("-n", switch, "link", "add", "bridge", "type", "bridge")
    ip("-n", switch, "link", "set", "bridge", "up")
    for letter, address in HOSTS.items():
        cable = ["name", f"ll{letter}", "netns", names[letter], "type", "veth"]
        ip("link", "add", *cable, "peer", "name", f"port-{letter}", "netns", switch)
        ip("-n", switch, "link", "set", f"port-{letter}", "master", "bridge", "up")
        ip("-n", names[letter], "addr", "add", f"{address}/24", "dev", f"ll{letter}")
        for device in ("lo", f"ll{letter}"):
            ip("-n", names[letter], "link", "set", device, "up")


@pytest.fixture
def namespaces() -> Iterator[dict[str, str]]:
    """Namespaces by the letters of HOSTS, and that of the switch."""
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and ip")
    names = {letter: f"layerline-{os.getpid()}-{letter}" for letter in (*HOSTS, SWITCH)}
    try:
        try:
            for name in names.values():
                ip("netns", "add", name)
            connect(names)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr}")
        yield names
    finally:
        for name in names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def torchrun(letter: str, name: str, folder: Path, **variables: str) -> subprocess.Popen[bytes]:
    source = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    command = ["-m", "torch.distributed.run", "--nnodes", "3", "--nproc-per-node", "1"]
    command += ["--max-restarts", "8", "--monitor-interval", "0.1", "--rdzv-id", "x"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"{HOSTS['a']}:29400"]
    # A namespace has its machine's name, so torchrun cannot find out which host is which.
    command += ["--rdzv-conf", f"is_host={int(letter == 'a')}", "--local-addr", HOSTS[letter]]
    network = {"PYTHONPATH": source, "GLOO_SOCKET_IFNAME": f"ll{letter}"}
    network["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # else none that starts later can join
    with (folder / f"{letter}.log").open("ab") as log:
        return subprocess.Popen(
            [*("ip", "netns", "exec", name), sys.executable, *command, rank_work.__file__, folder],
            env={**os.environ, **network, **variables},
            stdout=log,
            stderr=log,
        )


class Hosts:
    """The torchrun of each host."""

    def __init__(self, names: dict[str, str], folder: Path) -> None:
        self._names, self._folder = names, folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, letters: Iterable[str] = HOSTS, **variables: str) -> None:
        for letter in letters:
            name = self._names[letter]
            self._running[letter] = torchrun(letter, name, self._folder, **variables)

    def crash(self, letter: str) -> None:
        """Kill all that runs there."""
        for process in ip("netns", "pids", self._names[letter]).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        self._running[letter].wait()

    def set_link(self, letter: str, state: str) -> None:
        """At the switch, so that the host itself is not asked."""
        ip("-n", self._names[SWITCH], "link", "set", f"port-{letter}", state)

    def wait_for(self, *files: str) -> None:
        ends = time.monotonic() + 240
        while not all((self._folder / file).exists() for file in files):
            assert time.monotonic() < ends, files
            assert all(process.poll() is None for process in self._running.values())
            time.sleep(0.05)

    def require_same_bytes(self) -> None:
        assert [process.wait(300) for process in self._running.values()] == [0, 0, 0]
        found = [(self._folder / f"{name}.safetensors").read_bytes() for name in (KILLED, AGAIN)]
        assert (self._folder / "resumed").is_file()
        assert found[0] == found[1]

    def stop(self) -> None:
        for letter in self._running:
            self.crash(letter)


@pytest.fixture
def hosts(namespaces: dict[str, str], tmp_path: Path) -> Iterator[Hosts]:
    found = Hosts(namespaces, tmp_path)
    try:
        yield found
    finally:
        found.stop()


@pytest.mark.slow
def test_ranks_on_three_hosts_are_killed_and_end_in_the_same_bytes(hosts: Hosts) -> None:
    hosts.start(KILLS="2")
    hosts.require_same_bytes()


@pytest.mark.slow
def test_a_host_is_cut_off_and_comes_back(hosts: Hosts, tmp_path: Path) -> None:
    hosts.start(CUT="1", LAYERLINE_RANK_SECONDS="4")
    hosts.wait_for(CUT)
    hosts.set_link("c", "down")
    (tmp_path / IS_CUT).touch()
    hosts.wait_for(f"{LOST}0", f"{LOST}1")
    hosts.set_link("c", "up")
    hosts.require_same_bytes()


@pytest.mark.slow
def test_a_host_crashes_and_is_started_again(hosts: Hosts) -> None:
    hosts.start(CUT="1")
    hosts.wait_for(CUT)
    hosts.crash("c")
    hosts.start("c", CUT="1")
    hosts.require_same_bytes()
