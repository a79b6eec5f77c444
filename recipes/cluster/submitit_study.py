"""Slurm by submitit (`pip install submitit`): workers of one study as an array of jobs.

export LAYERLINE_STUDY_STORAGE=postgresql://user@host/studies
layerline study run quick --trials 400 --minutes 1        # once: it begins the study
python recipes/cluster/submitit_study.py quick 400 16     # 16 workers; `local` as a fourth
# argument runs them on this machine
"""

import subprocess
import sys

MINUTES = 240


def work(name: str, trials: str) -> int:
    """One worker, until all planned trials are done; Slurm may preempt it at any moment."""
    command = ["layerline", "study", "work", name, "--trials", trials]
    return subprocess.run([*command, "--minutes", str(MINUTES - 10)], check=False).returncode


def main(name: str, trials: str, n_workers: str, cluster: str = "slurm") -> int:
    """Submit the workers and wait for them; the number that failed."""
    import submitit

    executor = submitit.AutoExecutor(folder=".layerline/submitit", cluster=cluster)
    executor.update_parameters(
        name="layerline-study", timeout_min=MINUTES, cpus_per_task=1, mem_gb=2
    )
    with executor.batch():
        jobs = [executor.submit(work, name, trials) for _ in range(int(n_workers))]
    return sum(job.result() != 0 for job in jobs)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
