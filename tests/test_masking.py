"""Credentials of every form are hidden, and what is none stays readable."""

import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerline.masking import credentials_in, is_telling, mask_output, masked, masked_value

HIDDEN = [
    ("https://me:s3cret@host/rows.csv", "https://***@host/rows.csv"),
    ("https://ghp_token@host/x", "https://***@host/x"),
    ("postgresql+psycopg2://u:p@ss/w:ord@db:5432/x", "postgresql+psycopg2://***@db:5432/x"),
    ("[https://u:pw@h], ok", "[https://***@h], ok"),
    ("https://h/p?X-Amz-Signature=abc&b=1", "https://h/p?X-Amz-Signature=***&b=1"),
    ("https://h/p?api_key=1&page=2", "https://h/p?api_key=***&page=2"),
    ("https://h/p?sp=r&sig=a%2Bb", "https://h/p?sp=r&sig=***"),
    ("connect(password=hunter2, port=1)", "connect(password=***, port=1)"),
    ("{'smtp_password': 'a b', 'x': 'y'}", "{'smtp_password': '***', 'x': 'y'}"),
    ('{"secretKey": "v"}', '{"secretKey": "***"}'),
    ("Authorization: Bearer abcdefghijk", "Authorization: Bearer ***"),
    ("key AKIAABCDEFGHIJKLMNOP here", "key *** here"),
    ("github_pat_0123456789abcdefghijkl", "***"),
    ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/services/***"),
    ("a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb", "a\n***\nb"),
]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    for name in ("DB_PASSWORD", "GITHUB_TOKEN", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("text", "expected"), HIDDEN)
def test_credentials_are_hidden_and_the_rest_stays(text, expected):
    assert masked(text) == expected
    assert masked(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000/a@b",
        "models:/digits@champion is now version 1",
        "sqlite:////home/a@b/mlflow.db",
        "git@github.com:me/repo.git",
        "column 'token' has 3 missing values; unexpected token: end",
        "n_tokens=5, learning_rate=0.1, signature: (8, 4) -> 2",
        "data/raw=1d03430839f3bc475a5d623cfcd97786.dir",
    ],
)
def test_what_is_no_credential_is_left_alone(text):
    assert masked(text) == text


@given(
    st.text(st.characters(codec="ascii", exclude_characters="'\"<>", categories="LNPS"), min_size=1)
)
def test_no_password_survives_in_a_url(password):
    shown = masked(f"cannot read ftp://me:-{password}@host: timed out")
    assert shown == "cannot read ftp://***@host: timed out"


def test_values_of_telling_variables_are_hidden_wherever_they_stand(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "tr0ub4dor&3")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://bob:p%40ss-w0rd@db/mlflow")
    text = "login tr0ub4dor&3, p@ss-w0rd, p%40ss-w0rd, basic Ym9iOnBAc3MtdzByZA== refused"
    assert masked(text) == "login ***, ***, ***, basic *** refused"


@pytest.mark.parametrize("value", ["true", "12345678", "digits", "short"])
def test_values_that_are_words_of_others_are_not(monkeypatch, value):
    monkeypatch.setenv("GITHUB_TOKEN", value)
    assert masked(f"it says {value}") == f"it says {value}"


def test_names_of_files_are_not(monkeypatch, tmp_path):
    monkeypatch.setenv("GITHUB_TOKEN", str(tmp_path))
    assert masked(str(tmp_path)) == str(tmp_path)


@pytest.mark.parametrize(
    "name", ["password", "smtp.api_key", "AUTH_TOKEN", "webhook", "x.sig", "secrets.x"]
)
def test_telling_names(name):
    assert is_telling(name)
    assert masked_value(name, "anything") == "***"


@pytest.mark.parametrize("name", ["author", "max_tokens", "hidden", "train.options.tokenizer"])
def test_names_that_tell_nothing(name):
    assert not is_telling(name)


def test_values_are_masked_through_lists_and_mappings():
    value = {"a": ["https://u:p1@h", 3], "token": "x", "deep": {"secret": "y", "n": None}}
    hidden = {"a": ["https://***@h", 3], "token": "***", "deep": {"secret": "***", "n": None}}
    assert masked_value("", value) == hidden
    assert credentials_in({"a.url": "s3://k:s@b", "b.n": 3, "c.token": "x", "d": [1, "y"]}) == [
        "a.url",
        "c.token",
    ]


def test_output_is_masked_but_is_the_stream_otherwise(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    mask_output()
    mask_output()  # a second time changes nothing
    print("ftp://me:pw@h", 3, sep=" | ")  # noqa: T201 - what is tested
    assert stream.getvalue() == "ftp://***@h | 3\n"
    assert not sys.stdout.isatty()


def test_tracebacks_that_end_a_process_are_masked():
    code = (
        "from layerline.masking import mask_output; mask_output();"
        "raise RuntimeError('no answer from https://me:s3cret@host')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "RuntimeError: no answer from https://***@host" in done.stderr
    assert "s3cret" not in done.stderr
