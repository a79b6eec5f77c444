"""The page as one HTML file: style, script and data are in it, so it needs no network."""

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from layerline.artifacts.atomic_files import write_text
from layerline.explorer.find_model import Exhibit
from layerline.explorer.page_data import page_data

PAGE = Path(__file__).parent / "page"
# In the order of their imports.
SCRIPTS = (
    "arithmetic.js",
    "recurrent.js",
    "network.js",
    "dom.js",
    "plot.js",
    "prediction.js",
    "losses.js",
    "gradients.js",
    "inputs.js",
    "drawing.js",
    "rival.js",
    "session.js",
    "backward_view.js",
    "painting.js",
    "pasting.js",
    "controls.js",
    "importance.js",
    "weight_pictures.js",
    "neuron_view.js",
    "unit_places.js",
    "overview.js",
    "layer_view.js",
    "partial_dependence.js",
    "drift.js",
    "problems.js",
    "playground_training.js",
    "playground_drawing.js",
    "playground.js",
    "judged_rows.js",
    "what_if.js",
    "card_view.js",
    "main.js",
)
_IMPORT = re.compile(r'^import ({[^}]*}) from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function|const|class) (\w+))", re.MULTILINE)


def write_page(path: Path, exhibit: Exhibit) -> int:
    """Write the page of a model; return its size in bytes.

    Raises:
        ParamsError: the page cannot compute such a network.
    """
    text = build_page(exhibit)
    write_text(path, text)
    return len(text.encode())


def build_page(exhibit: Exhibit) -> str:
    """The page's HTML; equal models and rows give equal bytes."""
    environment = Environment(
        loader=PackageLoader("layerline.explorer", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    # All are files of this package, or JSON in which no tag can begin.
    parts = {
        "style": Markup((PAGE / "style.css").read_text(encoding="utf-8")),  # noqa: S704
        "script": Markup(script()),  # noqa: S704
        "data": Markup(page_data(exhibit)),  # noqa: S704
    }
    return environment.get_template("page.html").render(title=exhibit.title, **parts)


def script() -> str:
    """All modules in one script: each a function that returns what it exports.

    A page in a file may not import other files, so an import reads from those before it.
    """
    return "\n".join(["const modules = {};", *map(_as_function, SCRIPTS)])


def _as_function(name: str) -> str:
    text = (PAGE / name).read_text(encoding="utf-8")
    exported = ", ".join(match[2] for match in _EXPORT.finditer(text))
    body = _EXPORT.sub(r"\1", _IMPORT.sub(r"const \1 = modules.\2;", text))
    return f"modules.{Path(name).stem} = (() => {{\n{body}return {{ {exported} }};\n}})();"
