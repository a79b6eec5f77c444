"""Credentials of every form are hidden, and what is none stays readable."""

import io
import os
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
    ("https://h/p?api-key=1&page=2", "https://h/p?api-key=***&page=2"),
    ("https://h/p?pw=1&jwt=a.b&code=7", "https://h/p?pw=***&jwt=***&code=***"),
    ("https://h/p?authorization=abc", "https://h/p?authorization=***"),
    ("Authorization: Token 0123abc", "Authorization: ***"),
    ("Cookie: session=abc; theme=dark\nHost: h", "Cookie: ***\nHost: h"),
    ("dsn=https://h/1 timed out", "dsn=*** timed out"),
    ("Server=db;UID=me;PWD=a b c;Encrypt=no", "Server=db;UID=me;PWD=***;Encrypt=no"),
    ("Driver={x};Pwd={a;b}};c};Port=1", "Driver={x};Pwd=***;Port=1"),
    ("Password=/a/b;Server=db", "Password=***;Server=db"),
    ('password = "two words", port=1', "password = ***, port=1"),
    (r"password='it\'s mine' port=1", "password=*** port=1"),
    ('pass="say ""x"" now"', "pass=***"),
    ("{'password': 'it\\'s \"here\"', 'a': 1}", "{'password': '***', 'a': 1}"),
    ("postgresql://me:two words@db.example.org/x", "postgresql://***@db.example.org/x"),
    ("postgresql://me:a'b\"c@db:5432/x", "postgresql://***@db:5432/x"),
    ("run --password hunter2 --port 3", "run --password *** --port 3"),
    ("password: hunter2\nuser: me", "password: ***\nuser: me"),
    ("sk_live_0123456789abcdefghij", "***"),
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
        "params.yaml: fetch.options.password: holds a credential",
        "params.yaml: password: unknown key; did you mean 'patience'?",
        "http://127.0.0.1:5000 or write to me@example.org",
        "compass=north, bypass=3, keyword=price, passengers=3, pathway=2, cookie_monster is a word",
        "the author of authors",
        "monkey=1, key=3, primary_key=id",
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


@pytest.mark.parametrize("value", ["true", "postgres", "abc", "0"])
def test_values_that_are_everywhere_are_not(monkeypatch, value):
    monkeypatch.setenv("GITHUB_TOKEN", value)
    assert masked(f"it says {value}") == f"it says {value}"


@pytest.mark.parametrize("value", ["12345678", "swordfish", "Xk3b", "s p a c e"])
@pytest.mark.parametrize("name", ["SMTP_PASS", "STRIPE_KEY", "DB_PW", "APP_JWT", "SENTRY_DSN"])
def test_short_ones_and_words_are_hidden_as_whole_words(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert masked(f"login {value}, refused; {value}") == "login ***, refused; ***"
    assert masked(f"pre{value}") == f"pre{value}" or " " in value
    assert credentials_in({"fetch.target": "swordfish"}) == []  # it may be a word of the data


def test_the_shell_s_own_folder_is_not(monkeypatch):
    monkeypatch.setenv("PWD", "/no/longer/there")
    assert masked("in /no/longer/there, PWD=/no/longer/there") == (
        "in /no/longer/there, PWD=/no/longer/there"
    )


def test_names_of_files_are_not(monkeypatch, tmp_path):
    monkeypatch.setenv("GITHUB_TOKEN", str(tmp_path))
    assert masked(str(tmp_path)) == str(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("password", "smtp.api_key", "AUTH_TOKEN", "webhook", "x.sig", "secrets.x", "x.api-key"),
        *("db.pw", "jwt", "http.authorization", "cookie", "sentry.dsn", "dbPassword", "apiKey"),
        "client_secret",
    ],
)
def test_telling_names(name):
    assert is_telling(name)
    assert masked_value(name, "anything") == "***"


@pytest.mark.parametrize(
    "name",
    ["author", "max_tokens", "hidden", "train.options.tokenizer", "key", "passengers", "compass"],
)
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


@pytest.mark.parametrize(
    "text",
    [
        "a_" * 20_000,
        "password" * 5_000,
        "a.b-" * 5_000 + "=",
        "'password': '" + "\\" * 20_000,
        "://a:" + "b c" * 10_000,
        "token=;" * 3_000,
        "Driver={" * 3_000 + ";",
        "pwd=" * 5_000,
        "x" * 50_000 + "@",
    ],
    ids=lambda text: text[:12],
)
def test_no_text_holds_a_form_up(text):
    code = "import sys; from layerline.masking import masked; masked(sys.stdin.read())"
    subprocess.run([sys.executable, "-c", code], input=text, text=True, timeout=60, check=True)


def test_a_number_is_a_credential_under_a_password_s_name():
    assert masked_value("smtp.password", 271828) == "***"
    assert credentials_in({"a.password": 271828, "a.pw": 1.5, "b.token": 3}) == [
        "a.password",
        "a.pw",
    ]
    assert credentials_in({"a.password": None, "has_password": True, "secret": ""}) == []


@pytest.mark.parametrize("value", [float("nan"), [float("nan")], {"x": [float("inf"), (1, 2)]}])
def test_nan_is_no_credential(value):
    assert credentials_in({"train.options.dropout": value}) == []


@pytest.mark.parametrize(
    "token",
    [
        "xoxb-123456789012-123456789012-abcdefghijklmnopqrstuvwx",
        "AC0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef-us12",
        "1234567890:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghi",
        "sq0csp-0123456789ABCDEFGHIJabcdefghij0123456789ABC",
    ],
)
def test_tokens_of_known_makers_are_found_by_their_form(token):
    pytest.importorskip("detect_secrets")
    assert credentials_in({"fetch.options.query": f"select '{token}'"}, thorough=True)


@pytest.mark.parametrize(
    "value",
    [
        "0f343b0931126a20f133d67c2b018a3b0f343b0931126a20f133d67c2b018a3b",
        "models:/digits@champion",
        "APARTMENTNUMBERS",
        "s3://bucket/AC/rows.parquet",
        "select a, b from rows where day > '2024-12-31'",
    ],
)
def test_ordinary_values_are_not(value):
    pytest.importorskip("detect_secrets")
    assert credentials_in({"fetch.options.query": value}, thorough=True) == []


def test_characters_that_the_encoding_lacks_are_escaped():
    code = "from layerline.masking import mask_output; mask_output(); print('a … b × c')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=environment
    )
    assert done.stdout == b"a \\u2026 b \\xd7 c\n"


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
