"""The tab key, in the shells that are installed here, with the lines that the README shows."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_WORDS = """
complete_words() {
    COMPREPLY=(); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _layerline_completion layerline
}
complete_words layerline promo; echo "${COMPREPLY[@]}"
complete_words layerline init houses.csv --tar; echo "${COMPREPLY[@]}"
"""


def shell(folder: Path, *command: str) -> list[str]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    environment = os.environ | {"HOME": str(folder), "ZDOTDIR": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def line_of_the_readme() -> str:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (line,) = (text for text in readme.split("`") if text.startswith('eval "$(_LAYERLINE'))
    return line


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    assert shell(tmp_path, "bash", "-c", line_of_the_readme() + _WORDS) == ["promote", "--target"]


def test_zsh_takes_it_after_compinit(tmp_path: Path) -> None:
    line = line_of_the_readme().replace("bash_source", "zsh_source")
    script = f"autoload -Uz compinit && compinit -u; {line}; echo $_comps[layerline]"
    assert shell(tmp_path, "zsh", "-f", "-c", script) == ["_layerline_completion"]


def test_fish_takes_it(tmp_path: Path) -> None:
    script = "_LAYERLINE_COMPLETE=fish_source layerline | source; complete -C 'layerline promo'"
    command = ("fish", "--no-config", "-c", script)
    assert shell(tmp_path, *command)[0] == "promote"
