"""A preprocessor's columns under other names."""

from collections.abc import Mapping

from layerline.scaling.preprocessing.preprocessor import Preprocessor

LEFT = "\0"  # begins the name of what is left behind; no column's name has it


def renamed(source: Preprocessor, columns: Mapping[str, str | None]) -> Preprocessor:
    """The source's preprocessor with its columns under their names here, in their old order."""

    def name_of(old: str) -> str:
        new = columns.get(old, old)
        return f"{LEFT}{old}" if new is None else new

    state = source.to_json()
    if state["numbers"]:
        for key in ("names", "indicators"):
            state["numbers"][key] = [name_of(name) for name in state["numbers"][key]]
    for key in ("dates", "categories"):
        for item in state.get(key) or ():
            item["name"] = name_of(item["name"])
    return Preprocessor.from_json(state)
