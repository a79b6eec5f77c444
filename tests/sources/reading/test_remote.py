"""Remote files arrive whole or not at all, and what was cut off goes on."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fileserver import FileServer, file_server

from layerline.errors import LayerlineError, ParamsError, SourceError
from layerline.sources import SOURCES
from layerline.sources.reading.remote import download, downloads, origin_of
from layerline.tables.storage import read_table

TABLE = b"x,target\n" + b"".join(b"%d,%s\n" % (i, b"ab"[i % 2 :][:1]) for i in range(4000))
LARGE = TABLE * 300  # 8 MB; a client that is cut off loses about 1 MB that lay in its buffers
CUT = 6_000_000
SHA256 = hashlib.sha256(TABLE).hexdigest()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    with file_server() as running:
        running.behaviour.files["t.csv"] = TABLE
        yield running


def fetch(tmp_path: Path, **options: object) -> object:
    (tmp_path / "out").mkdir(exist_ok=True)
    return SOURCES["files"].build(tmp_path / "out", "target", **options)


def test_a_url_is_read_like_a_file_and_its_origin_is_the_url(
    server: FileServer, tmp_path: Path
) -> None:
    info = fetch(tmp_path, path=server.url("t.csv"), sha256=SHA256)
    assert len(read_table(tmp_path / "out")) == 4000
    (file,) = info.origin["files"]  # type: ignore[attr-defined]
    assert file == {
        "path": server.url("t.csv"),
        "bytes": len(TABLE),
        "sha256": SHA256,
        "n_rows": 4000,
    }


HOSTILE = (
    "..%2f..%2f..%2ft.csv",
    "..%2Fsrc%2Fmain.py",
    "%2e%2e/%2e%2e/t.csv",
    "..%5c..%5ct.csv",
    "about.json",
    ".lock",
    "part.json",
    "data.csv.part",
    "t.csv%00.json",
    f"{'x' * 300}.csv",
    f"t.{'c' * 300}",
    "%ef%bc%8e%ef%bc%8e%ef%bc%8fshop.csv",
    "\u2024\u2024\u2215t.csv",
    "con.csv",
    "aux",
    "-rf.csv",
    "~root/t.csv",
    "C:%5ct.csv",
    "t.csv%0a.csv",
    "%252e%252e%252ft.csv",
    "",
    "?x=../../t.csv",
    "t.csv#../../t.csv",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_url_writes_outside_its_own_folder(
    server: FileServer, tmp_path: Path, name: str
) -> None:
    (tmp_path / "t.csv").write_text("mine")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("mine")
    url = server.url(name)
    server.behaviour.files = AnyName()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for _ in range(2):
        copy = download(url)
        assert copy.read_bytes() == TABLE
        assert copy.parent.parent == downloads()
        assert re.fullmatch(r"data(\.[a-z0-9_]{1,12}){0,2}", copy.name)
    assert {path: path.read_bytes() for path in before} == before
    added = {path for path in tmp_path.rglob("*") if path.is_file()} - set(before)
    folder = tmp_path / copy.parent
    assert added <= {folder / copy.name, folder / "about.json", folder / ".lock"}
    assert origin_of(copy) == url


class AnyName(dict[str, bytes]):
    """The table under whatever name it is asked for."""

    def get(self, key: str, default: object = None) -> bytes:  # type: ignore[override]
        return TABLE

    def __getitem__(self, key: str) -> bytes:
        return TABLE

    def __contains__(self, key: object) -> bool:
        return True


def test_a_second_fetch_asks_but_does_not_transfer(server: FileServer) -> None:
    download(server.url("t.csv"))
    n_gets = server.behaviour.n_gets
    download(server.url("t.csv"))
    assert server.behaviour.n_gets == n_gets


def test_with_a_known_sha256_a_copy_spares_the_network(server: FileServer) -> None:
    download(server.url("t.csv"), SHA256)
    server.behaviour.files.clear()
    assert download(server.url("t.csv"), SHA256).read_bytes() == TABLE


def test_a_changed_file_is_read_anew(server: FileServer) -> None:
    download(server.url("t.csv"))
    server.behaviour.files["t.csv"] = TABLE[:900]
    assert download(server.url("t.csv")).read_bytes() == TABLE[:900]


def test_a_damaged_copy_is_read_anew(server: FileServer) -> None:
    copy = download(server.url("t.csv"))
    copy.write_bytes(TABLE[:-1] + b"?")
    assert download(server.url("t.csv")).read_bytes() == TABLE


@pytest.mark.parametrize("ranges", [True, False])
def test_half_a_body_goes_on_or_begins_anew(server: FileServer, ranges: bool) -> None:
    server.behaviour.files["t.csv"] = LARGE
    server.behaviour.ranges = ranges
    server.behaviour.cut_after = [CUT]
    assert download(server.url("t.csv")).read_bytes() == LARGE
    assert (server.behaviour.starts[1] > 0) == ranges


def test_what_was_cut_off_goes_on_in_the_next_run(server: FileServer) -> None:
    server.behaviour.files["t.csv"] = LARGE
    server.behaviour.cut_after = [CUT, 0, 0]
    with pytest.raises(SourceError, match=r"t\.csv: cannot be read"):
        download(server.url("t.csv"))
    assert not list(downloads().rglob("data.csv"))
    assert download(server.url("t.csv")).read_bytes() == LARGE
    assert server.behaviour.starts[0] == 0 < server.behaviour.starts[-1]


def test_another_version_does_not_go_on_from_the_old_part(server: FileServer) -> None:
    server.behaviour.files["t.csv"] = LARGE
    server.behaviour.cut_after = [CUT, 0, 0]
    with pytest.raises(SourceError):
        download(server.url("t.csv"))
    new = LARGE.replace(b"a", b"c")
    server.behaviour.files["t.csv"] = new
    assert download(server.url("t.csv")).read_bytes() == new


@pytest.mark.parametrize(("status", "words"), [(404, "404"), (403, "netrc"), (401, "netrc")])
def test_a_refusal_ends_at_once(server: FileServer, status: int, words: str) -> None:
    server.behaviour.files.clear()
    server.behaviour.status = [status]
    with pytest.raises(SourceError, match=words) as caught:
        download(server.url("t.csv"))
    assert caught.value.exit_code == 4
    assert len(str(caught.value).splitlines()) == 1


def test_a_server_error_that_passes_is_not_noticed(server: FileServer) -> None:
    server.behaviour.status = [500, 503]
    assert download(server.url("t.csv")).read_bytes() == TABLE


def test_a_server_error_that_stays_is_reported(server: FileServer) -> None:
    server.behaviour.status = [500] * 50
    with pytest.raises(SourceError, match="the server answered 500"):
        download(server.url("t.csv"))


def test_a_file_replaced_while_it_is_read_comes_whole(server: FileServer) -> None:
    new = TABLE.replace(b"a", b"c")
    server.behaviour.swap["t.csv"] = new
    assert download(server.url("t.csv")).read_bytes() == new


def test_a_wrong_sha256_keeps_the_earlier_copy(server: FileServer, tmp_path: Path) -> None:
    copy = download(server.url("t.csv"), SHA256)
    server.behaviour.files["t.csv"] = b"x,target\n1,a\n"
    with pytest.raises(SourceError, match=f"its sha256 is .*sha256 is {'0' * 64}"):
        download(server.url("t.csv"), "0" * 64)
    assert copy.read_bytes() == TABLE


def test_a_local_file_is_held_to_its_sha256_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(TABLE)
    fetch(tmp_path, path=str(tmp_path / "t.csv"), sha256=SHA256.upper())
    with pytest.raises(SourceError, match=r"fetch\.options\.sha256 is"):
        fetch(tmp_path, path=str(tmp_path / "t.csv"), sha256="1" * 64)


def test_messages_name_the_url_not_the_copy(server: FileServer, tmp_path: Path) -> None:
    server.behaviour.files["t.csv"] = b"x,target\n1,2,3\n"
    with pytest.raises(LayerlineError) as caught:
        fetch(tmp_path, path=server.url("t.csv"))
    assert str(caught.value).startswith(server.url("t.csv"))


def test_credentials_come_from_netrc(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    download(server.url("t.csv"))
    assert all(said and said.startswith("Basic ") for said in server.behaviour.authorizations)


@pytest.mark.parametrize(
    ("url", "message"),
    [("ftp://x/t.csv", "ftp:// is not supported"), ("http://x/*.csv", "does not list files")],
)
def test_urls_that_cannot_be(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=message):
        fetch(tmp_path, path=url)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """moto's server with a bucket of two tables and a note; its URL."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "me", "aws_secret_access_key": "s3cret"}
    url = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="shop")
    client.put_object(Bucket="shop", Key="rows/a.csv", Body=b"x,target\n1,a\n")
    client.put_object(Bucket="shop", Key="rows/b.csv", Body=b"x,target\n2,b\n")
    client.put_object(Bucket="shop", Key="rows/readme.md", Body=b"#")
    try:
        yield url
    finally:
        server.stop()


@pytest.fixture
def bucket(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    return "s3://shop"


@pytest.mark.filterwarnings("default")  # boto3 and moto have deprecations of their own
@pytest.mark.parametrize("path", ["rows", "rows/", "rows/*.csv"])
def test_s3_folders_and_patterns(bucket: str, path: str, tmp_path: Path) -> None:
    info = fetch(tmp_path, path=f"{bucket}/{path}")
    assert read_table(tmp_path / "out")["x"].tolist() == [1, 2]
    files = [file["path"] for file in info.origin["files"]]  # type: ignore[attr-defined]
    assert files == ["s3://shop/rows/a.csv", "s3://shop/rows/b.csv"]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", ["rows/c.csv", "nothing/*.csv", "nothing"])
def test_s3_has_nothing_there(bucket: str, path: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(tmp_path, path=f"{bucket}/{path}")
    assert f"{bucket}/{path}" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "s3cret"
