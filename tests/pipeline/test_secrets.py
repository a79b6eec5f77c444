"""Credentials are planted wherever a user may have some; then every byte that was written or
printed is searched for them, after runs that succeed and runs that fail."""

import base64
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from checkouts import Checkout
from ruamel.yaml import YAML
from servers import TrackingServer

ENVIRONMENT = {
    "DB_PASSWORD": "db-pw/planted+1",
    "AWS_SECRET_ACCESS_KEY": "aws+planted/2",
    "GITHUB_TOKEN": "ghp_plantedplantedplanted3",
    "MLFLOW_TRACKING_PASSWORD": "mlflow-planted-4",
}
SERVER = "server-pl@nted-5"
GIT, SMTP, WEBHOOK, LINK, COMMENT, FETCH = (
    f"{place}-planted-{number}"
    for number, place in enumerate(("git", "smtp", "hook", "link", "comment", "fetch"), 6)
)
PLANTED = (*ENVIRONMENT.values(), SERVER, GIT, SMTP, WEBHOOK, LINK, COMMENT, FETCH)


def plant(checkout: Checkout) -> None:
    checkout.run("git", "remote", "add", "origin", f"https://me:{GIT}@example.org/x.git")
    path = checkout.root / "params.yaml"
    path.write_text(
        f"{path.read_text()}\n"
        "study:\n"
        f"  webhook: https://example.org/{WEBHOOK}\n"
        f"  smtp: {{user: me, password: {SMTP}}}\n"
        f"  report_to: https://example.org/x?page=1&token={LINK}\n"
        f"# on the old machine: postgresql://me:{COMMENT}@db/mlflow\n"
    )


def uri(port: int) -> dict[str, str]:
    return {"MLFLOW_TRACKING_URI": f"http://me:{quote(SERVER, safe='')}@127.0.0.1:{port}"}


def found_in(texts: dict[str, bytes]) -> list[tuple[str, str]]:
    """Each credential that stands somewhere, and where; plain, quoted or as basic authorisation."""
    found = []
    for secret in PLANTED:
        pair = base64.b64encode(f"me:{secret}".encode())
        for form in (secret.encode(), quote(secret, safe="").encode(), pair):
            found += [(secret, name) for name, text in texts.items() if form in text]
    return found


def written_by(*roots: Path) -> dict[str, bytes]:
    """All files in these folders but those that the user wrote: params.yaml and git's config."""
    return {
        str(path): path.read_bytes()
        for root in roots
        for path in root.rglob("*")
        if path.is_file()
        and path.relative_to(root).parts[0] not in (".git", "src")
        and path != root / "params.yaml"
    }


def test_the_search_finds_what_is_there(checkout: Checkout) -> None:
    plant(checkout)
    everything = {str(p): p.read_bytes() for p in (checkout.root / "params.yaml",)}
    assert {secret for secret, _ in found_in(everything)} == {SMTP, WEBHOOK, LINK, COMMENT}
    assert found_in({"uri": uri(9)["MLFLOW_TRACKING_URI"].encode()}) == [(SERVER, "uri")]


@pytest.mark.slow
def test_nothing_leaks_while_the_server_is_away_nor_when_it_is_sent(checkout: Checkout) -> None:
    plant(checkout)
    checkout.edit_params(train__epochs=2)
    away = {**ENVIRONMENT, **uri(9)}
    printed = [checkout.run("dvc", "repro", "evaluate", **away)]
    printed.append(checkout.run("layerline", "flush", code=8, **away))
    assert "params.yaml holds a credential (study.webhook, study.smtp.password" in printed[0]
    printed.append(checkout.run("layerline", "flush", **ENVIRONMENT))
    texts = written_by(checkout.root) | {"printed": "\n".join(printed).encode()}
    assert found_in(texts) == []
    (told,) = (checkout.root / "mlartifacts").rglob("params.yaml")
    params = YAML(typ="safe", pure=True).load(told)
    assert params["study"]["smtp"] == {"user": "me", "password": "***"}
    assert params["train"]["epochs"] == 2


@pytest.mark.parametrize(
    "path", [f"https://me:{FETCH}@example.org/rows.csv", f"s3://rows.csv?token={FETCH}"]
)
def test_a_credential_that_dvc_would_copy_is_refused(warm: Checkout, path: str) -> None:
    checkout = warm
    checkout.edit_params(fetch__source="files", fetch__options={"path": path})
    output = checkout.run("dvc", "repro", code=255)
    output += checkout.run("layerline", "watch", code=2)
    done = subprocess.run(
        [sys.executable, "pipeline/fetch.py"],
        cwd=checkout.root,
        env={**checkout.environment, "LAYERLINE_DEBUG": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert "Traceback" in done.stdout
    output += done.stdout
    assert "params.yaml: fetch.options.path: holds a credential" in output
    assert found_in(written_by(checkout.root) | {"printed": output.encode()}) == []


@pytest.mark.parametrize(
    ("store", "says"),
    [
        (f"odd://me:{SERVER}@127.0.0.1/x", "odd://***@127.0.0.1/x"),
        (f"postgresql://me:a/{SERVER}@127.0.0.1/x", "MLFLOW_TRACKING_URI cannot be read"),
    ],
)
def test_a_store_that_cannot_be_opened_is_reported_without_its_password(
    warm: Checkout, store: str, says: str
) -> None:
    checkout = warm
    environment = {**ENVIRONMENT, "MLFLOW_TRACKING_URI": store}
    checkout.stage("fetch", **environment)
    output = checkout.run("layerline", "flush", code=8, **environment)
    assert says in output
    assert found_in(written_by(checkout.root) | {"printed": output.encode()}) == []


@pytest.mark.slow
def test_nothing_leaks_through_a_real_server_with_a_password(
    checkout: Checkout, tmp_path: Path
) -> None:
    plant(checkout)
    checkout.edit_params(train__epochs=2)
    printed = ""
    with TrackingServer(tmp_path / "server") as server:
        environment = {**ENVIRONMENT, **uri(server.port)}
        printed += checkout.run("dvc", "repro", **environment)
        # The registry's tables are gone: the register stage fails within MLflow.
        server.kill()
        server.database.write_bytes(b"no database")
        server.launch()
        checkout.edit_params(train__epochs=3)
        printed += checkout.run("dvc", "repro", code=None, **environment)
    assert "is now version 1" in printed
    assert "register: error:" in printed
    texts = written_by(checkout.root, tmp_path / "server") | {"printed": printed.encode()}
    assert found_in(texts) == []
