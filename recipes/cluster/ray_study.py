"""Ray (`pip install ray`): workers of one study, one a CPU of the cluster.

    export LAYERLINE_STUDY_STORAGE=postgresql://user@host/studies
    layerline study run quick --trials 400 --minutes 1        # once: it begins the study
    python recipes/cluster/ray_study.py quick 400 16

The working folder travels to each node (params.yaml, data/scaled); layerline is installed there.
"""

import os
import subprocess
import sys

LEFT_OUT = [".git", ".dvc/cache", ".venv", "mlartifacts", "mlflow.db", ".layerline", "data/raw"]


def work(name: str, trials: str) -> int:
    """One worker, until all planned trials are done."""
    command = ["layerline", "study", "work", name, "--trials", trials]
    return subprocess.run(command, check=False).returncode


def main(name: str, trials: str, n_workers: str) -> int:
    """Start the workers and wait for them; the number that failed."""
    import ray

    storage = os.environ["LAYERLINE_STUDY_STORAGE"]
    environment = {"LAYERLINE_STUDY_STORAGE": storage, "OMP_NUM_THREADS": "1"}
    ray.init(runtime_env={"working_dir": ".", "excludes": LEFT_OUT, "env_vars": environment})
    # A node that dies has its trial repeated by another worker; Ray starts a new one for it.
    remote = ray.remote(num_cpus=1, max_retries=5)(work)
    codes = ray.get([remote.remote(name, trials) for _ in range(int(n_workers))])
    return sum(code != 0 for code in codes)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
