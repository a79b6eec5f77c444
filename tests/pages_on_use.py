"""How the pages on tracking, the registry, retraining, serving and the explorer are run."""

from page_projects import COMMIT, FEW, LOGGED, PORT, SERVER
from page_sessions import Edit, Session

SESSIONS = {
    "docs/explorer.md": Session(
        start="houses",
        before={
            "layerline explore bundle/": 'python -c "import layerline;'
            " layerline.load('models:/houses@champion').save('bundle')\"",
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
    "docs/tracking.md": Session(
        start="flowers",
        edits=(Edit("http://127.0.0.1:5000", "sqlite:///another.db", "no server"),),
        before={"dvc exp run --queue": f"git add -A\n{COMMIT} || true"},
    ),
}
