"""The pages whose blocks are run: in which project, and what differs there from the page.

A page is added by a line of SESSIONS; a block that cannot run gets a comment on its page:
`<!-- not run: REASON -->`.
"""

from page_sessions import Edit, Session

# Pages, or folders of them, whose blocks another test runs, or none.
ELSEWHERE = {
    "docs/tutorial.md": "tests/test_docs.py",
    "docs/python.md": "tests/estimators/test_python_page.py, tests/pipeline/test_digits.py",
    "CONTRIBUTING.md": "tests/pipeline/test_contributing.py",
    "benchmarks/": "hours of measuring; tests/test_page_sessions.py starts each script",
    "docs/studies/": "hours of measuring: `make studies` makes these pages",
}
IDENTITY = "git config user.email a@example.org && git config user.name A\n"
COMMIT = "git add -A && git commit -qm start"


def project(table: str, target: str, until: str = "") -> str:
    """The commands of a new project that has been run once."""
    init = f"layerline init {table} --target {target} --fast\nshort"
    return f"layerline new . > new.txt\n{IDENTITY}{init}\ndvc repro {until}\n{COMMIT}"


PROJECTS = {
    "houses": project("houses.csv", "price"),
    "flowers": project("flowers.csv", "kind"),
    "orders": project("orders.csv", "fraud", "scale"),
    "shop": project("shop.csv", "bought", "validate"),
    "soil": project("soil.csv", "kind"),
    "": "layerline new . > new.txt\n" + IDENTITY + COMMIT,
}
FEW = "a smaller one takes seconds"
LOGGED = "layerline serve models:/houses@champion --request-log .layerline/requests.jsonl"
LOGGED += " --log-sample 1 --log-id order"
SERVER = Edit("layerline serve models", "served layerline serve models", "ended by the test")
PORT = Edit("localhost:8000", "localhost:$PORT", "a free port")

SESSIONS = {
    "README.md": Session(
        edits=(
            Edit(
                "source .venv/bin/activate && cd FOLDER_OF_YOURS\n",
                "",
                "the tests have their own environment and folder",
            ),
            Edit(
                "init houses.csv --target price",
                "init houses.csv --target price --fast\nshort",
                "one small network",
            ),
            Edit("make ui  ", "layerline ui --help", "a server that stays"),
            Edit("compare champion kind-fox", "compare v1 v2", "a run's name is drawn"),
            Edit("kind-fox", "v1", "a run's name is drawn"),
            SERVER,
            Edit(
                "import mlflow\n",
                "import mlflow, pandas\nframe = pandas.read_csv('new_houses.csv')\n",
                "the reader's own frame",
            ),
            Edit(
                "import layerline\n",
                "import layerline, pandas\nframe = pandas.read_csv('houses.csv')\n"
                "other_frame = frame\n",
                "the reader's own frame",
            ),
            Edit('target="price")', 'target="price", members=None, epochs=2)', "a small network"),
            Edit("init pictures ", "init pictures && short #", "a training of seconds"),
        ),
        before={
            "layerline runs --why": "sed -i 's/seed: 0/seed: 1/' params.yaml\ndvc repro",
            'layerline.run("prices")': "mkdir prices && cp houses.csv prices && cd prices\n"
            "git init -q && layerline init houses.csv --target price --fast\nshort",
        },
        after={"layerline init pictures": "test $(wc -l < answers.csv) -eq 41"},
    ),
    "docs/data.md": Session(
        start="flowers",
        edits=(
            Edit("    sha256: 9f86", "    # sha256: 9f86", "of one file; here are two"),
            Edit("postgresql://db.example/shop", "sqlite:///shop.db", "no database server"),
            Edit("pictures        #", "flat        #", "the pictures without folders"),
        ),
        before={"source: files": "setting '{fetch: {task: auto}}'"},
        stages={
            "weights": "for stage in fetch validate scale train evaluate; do"
            " python pipeline/$stage.py; done"
        },
    ),
    "docs/evaluation.md": Session(
        start="flowers",
        before={
            "threshold: {metric: f1}": "layerline init wild.csv --target wild --fast\nshort\n"
            "dvc repro evaluate",
            "class_costs: {tulip: 5}": "layerline init flowers.csv --target kind --fast --force\n"
            "short\ndvc repro evaluate",
        },
    ),
    "docs/explorer.md": Session(
        start="houses",
        before={
            "layerline explore bundle/": 'python -c "import layerline;'
            " layerline.load('models:/houses@champion').save('bundle')\"",
        },
    ),
    "docs/networks.md": Session(
        start="flowers",
        files={"class Wide": "mine/networks.py"},
        after={"layerline watch": "grep mine/networks.py dvc.yaml"},
    ),
    "docs/own-code.md": Session(
        start="orders",
        files={
            "class Focal": "mine/losses.py",
            "class Logs": "mine/scalers.py",
            "def orders": "mine/sources.py",
            "def no_weekends": "mine/rules.py",
            "def cost": "mine/metrics.py",
        },
        edits=(
            Edit(
                "def no_weekends",
                "def few_pieces(frame):\n    return frame['pieces'] < 6\n\ndef no_weekends",
                "the page names a second rule",
            ),
        ),
        after={
            "class Logs": "setting '{scale: {numeric: mine.scalers:Logs}}'\n"
            "python pipeline/scale.py && layerline watch && python pipeline/train.py",
            "def cost": "setting '{evaluate: {metrics: [mine.metrics:cost]}}'\n"
            "python pipeline/evaluate.py && grep cost reports/metrics.json",
            "def orders": "setting '{fetch: {source: mine.sources:orders, "
            "options: {path: orders.json}}}'\npython pipeline/fetch.py",
        },
    ),
    "docs/registry.md": Session(
        start="flowers",
        edits=(
            Edit("[VERSION]", "v1", "a choice"),
            Edit("promote VERSION", "promote v1", "a choice"),
            Edit("NAME@champion FOLDER", "flowers@champion exported", "a choice"),
        ),
        before={
            "layerline history": "setting '{seed: 1}'\ndvc repro\nlayerline promote v2",
        },
    ),
    "docs/retraining.md": Session(
        start="houses",
        edits=(
            Edit("systemctl --user daemon-reload\n", "", "no systemd here"),
            Edit(
                "systemctl --user enable --now", "ls ~/.config/systemd/user/ | grep", "no systemd"
            ),
            Edit(" --fail  ", " --fail || test $? -eq 9", "it may have drifted"),
            SERVER,
            Edit(
                "localhost:8000/predict ...",
                "localhost:$PORT/predict -H 'content-type: application/json' -d @rows.json"
                " > answer.txt",
                "the reader's own row",
            ),
            Edit(
                "replay 5f0c9a31d2e4-9b1c44f0a7d35e26",
                "replay $(sed -n 's/x-answer-id: //p' answer.txt | tr -d '\\r')",
                "its id",
            ),
            Edit(
                "layerline retrain --every day --at 03:30 --timezone Europe/Berlin",
                "timeout 8 layerline retrain --every day --at 03:30 || test $? -eq 124",
                "it stays",
            ),
            Edit("hour|day|weekday|week|month", "week", "a choice"),
            Edit("KIND --output FOLDER", "cron --output cron", "a choice"),
        ),
        before={
            "layerline drift new.csv": f"served {LOGGED}",
            "--shadow": "setting '{seed: 1}'\ndvc repro",
            "curl -si": f"start_server {LOGGED}",
        },
        after={"curl -si": "stop_server"},
        stages={
            "retrain": "layerline retrain || test $? -eq 6",
            "window": "python pipeline/scale.py",
        },
    ),
    "docs/scale.md": Session(
        start="flowers",
        edits=(
            Edit("processes: 4", "processes: 2", FEW),
            Edit("--nnodes 4", "--nnodes 1", "one machine"),
            Edit("HOST:29400", "localhost:0", "one machine"),
        ),
    ),
    "docs/scaling.md": Session(start="flowers"),
    "docs/serving.md": Session(
        start="soil",
        edits=(
            Edit(
                "layerline serve models:/digits@champion",
                "start_server layerline serve models:/soil@champion\nstop_server",
                "ended by the test",
            ),
            PORT,
            Edit("curl -s l", "curl -sf l", "a refusal would be a failure"),
            Edit(
                "curl -sf localhost:$PORT/predict -H 'content-type: application/x-npy'",
                ": #",
                "this model reads no pictures",
            ),
            Edit(
                "curl -sf localhost:$PORT/predict -H 'content-type: image/png'",
                ": #",
                "this model reads no pictures",
            ),
        ),
        before={
            "--data-binary @rows.csv": 'head -5 soil.csv > rows.csv\npython -c "import pandas;'
            " pandas.read_csv('rows.csv').to_parquet('rows.parquet')\"\n"
            "start_server layerline serve models:/soil@champion",
            "layerline predict new.csv": 'awk \'NR == 1 {print $0 ",id"} NR > 1 {print $0 "," NR}\''
            ' soil.csv > new.csv\npython -c "import pandas;'
            " pandas.read_csv('new.csv').to_parquet('new.parquet')\"",
        },
        after={"--data-binary @rows.csv": "stop_server"},
    ),
    "docs/studies.md": Session(
        start="flowers",
        edits=(
            Edit("quick --trials 30", "quick --trials 2", FEW),
            Edit("mine.yaml --workers 2", "mine.yaml --workers 2 --trials 2", FEW),
            Edit("activations --seeds 5", "activations --seeds 1", FEW),
        ),
        before={
            "study run quick": "cp recipes/studies/quick.yaml mine.yaml\n"
            "setting '{study: {space: {train.batch_size: [32, 64]}, trials: 2}}'",
        },
        files={"space:": "own.yaml", "question:": "recipes/studies/own.yaml"},
        after={
            "space:": "layerline study run own.yaml --trials 2",
            "question:": "sed -i 's/epochs: 60/epochs: 2/' recipes/studies/own.yaml\n"
            "layerline study compare own --seeds 1",
        },
    ),
    "docs/tracking.md": Session(
        start="flowers",
        edits=(Edit("http://127.0.0.1:5000", "sqlite:///another.db", "no server"),),
        before={"dvc exp run --queue": f"git add -A\n{COMMIT} || true"},
    ),
    "docs/training.md": Session(
        start="flowers",
        edits=(Edit("debt: decreasing", "visits: decreasing", "a column of this table"),),
        before={
            "monotone: {income": "layerline init wild.csv --target wild --fast --force\nshort\n"
            "dvc repro scale",
            "loss: ordinal": "layerline init flowers.csv --target kind --fast --force\nshort\n"
            "dvc repro scale",
            "quantile, levels": "layerline init houses.csv --target price --fast --force\nshort\n"
            "dvc repro scale",
        },
    ),
    "docs/transfer.md": Session(
        start="flowers",
        edits=(
            Edit("--rows 10,50,200 --seeds 5", "--rows 5,10 --seeds 1 --steps 20", FEW),
            Edit('["blocks.4*", layer4]', '["blocks.3*"]', "the names of this network"),
        ),
        before={"study transfer": "setting '{train: {transfer: {from: champion}}}'"},
        stages={"forgetting": "python pipeline/train.py && python pipeline/evaluate.py"},
    ),
    "docs/validation.md": Session(start="shop", is_slow=False),
}
