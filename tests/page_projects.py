"""The projects in which the pages' blocks are run, and what several pages have otherwise there."""

from page_sessions import Edit

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
