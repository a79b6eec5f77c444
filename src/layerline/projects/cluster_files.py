"""The files that start one training on several machines: one template and one line a cluster.

To add a cluster: its template in cluster_templates/, and a line in CLUSTERS.
"""

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from layerline.artifacts import write_text
from layerline.config import RankPlace, TrainSection, parse_yaml
from layerline.errors import LayerlineError

PORT = 29400  # torchrun's own


class Cluster(NamedTuple):
    """The file's name, how its text is checked, and what to do with it."""

    file: str
    check: Callable[[str], object]
    start: str


class Size(NamedTuple):
    """`cpus` and `hours` are those of a process, and of the whole training."""

    nodes: int
    processes: int
    cpus: int = 1
    gpus: bool = False
    hours: int = 24
    restarts: int = 3


def _check_shell(text: str) -> None:
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SyntaxError(done.stderr)


def _check_yaml(text: str) -> None:
    for document in text.split("\n---\n"):
        parse_yaml(document, Path("manifest"))


CLUSTERS: Mapping[str, Cluster] = {
    "torchrun": Cluster("{name}.sh", _check_shell, "on each host: HEAD=FIRST_HOST bash {file}"),
    "slurm": Cluster("{name}.sbatch", _check_shell, "sbatch {file}"),
    "kubernetes": Cluster("{name}.yaml", _check_yaml, "kubectl apply -f {file}"),
    "ray": Cluster("{name}_ray.py", ast.parse, "python {file}"),
}


class Project(NamedTuple):
    """What a cluster's files have of a project; `image` is the container's, of kubernetes."""

    name: str
    root: Path
    section: TrainSection
    image: str


def write_cluster(kind: str, folder: Path, project: Project, size: Size) -> tuple[Path, str]:
    """Write the file that starts the training; return it, and how to use it.

    Raises:
        ParamsError: the params do not allow so many processes.
        LayerlineError: a name of the project cannot be written into such a file.
    """
    from layerline.training.rank_group import require_rankable  # imports torch

    n_ranks = size.nodes * size.processes
    require_rankable(project.section, RankPlace(0, n_ranks, 0, size.processes))
    slug = re.sub(r"[^a-z0-9]+", "-", project.name.lower()).strip("-")
    cluster, name = CLUSTERS[kind], f"layerline-{slug}-train"[:63].strip("-")
    path = folder / cluster.file.format(name=name)
    values = {
        **size._asdict(),
        "name": name,
        "root": str(project.root.resolve()),
        "python": sys.executable,
        "image": project.image,
        "port": PORT,
        "file": str(path),
    }
    text = _environment().get_template(kind).render(**values)
    try:
        cluster.check(text)
    except (SyntaxError, ValueError) as error:
        raise LayerlineError(f"{path}: cannot be written for this project: {error}") from None
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return path, cluster.start.format(file=shlex.quote(str(path)))


def _environment() -> Environment:
    environment = Environment(  # noqa: S701 - no HTML: each template quotes for its own language
        loader=PackageLoader("layerline.projects", "cluster_templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"shell": shlex.quote, "python": repr}
    return environment
