"""How the pages on data, training and judging are run."""

from page_projects import FEW, SERVER
from page_sessions import Edit, Session

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
    "docs/scaling.md": Session(start="flowers"),
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
            "space:": "layerline study run own.yaml --trials 2 --new",
            "question:": "sed -i 's/epochs: 60/epochs: 2/' recipes/studies/own.yaml\n"
            "layerline study compare own --seeds 1",
        },
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
