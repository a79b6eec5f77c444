"""data/schemas/<project>.yaml: inferred once, committed, edited by people, enforced ever after.

`read_schema` refuses unknown keys and contradictions all at once, each with its dotted path.
`write_schema` is deterministic: no dates, no paths; reading gives back what was written.
"""

import io
import json
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from layerline.artifacts import write_text
from layerline.columns.spec import ColumnSpec
from layerline.columns.written import Written
from layerline.config import meanings, parse_yaml, read_yaml
from layerline.errors import ParamsError, Problem
from layerline.validation.schema.contradictions import contradictions
from layerline.validation.schema.definitions import CrossRule, TableSchema
from layerline.validation.schema.entries import ColumnEntry, SchemaFile
from layerline.validation.schema.severities import RULES, Setting
from layerline.wrong_values import problems_of

_INTRODUCTION = """\
yaml-language-server: $schema=../../schemas/table.schema.json
What the data must look like. Inferred once from the first data, then enforced by the stage
`validate`: edit it where it is wrong or too narrow, and commit it.
"""


def read_schema(path: Path) -> TableSchema:
    """Read and check a schema file.

    Raises:
        ParamsError: the file is missing or wrong; every problem with its dotted path.
    """
    if not path.is_file():
        message = "no such file; `layerline schema` infers it from data/raw, then commit it"
        raise ParamsError([Problem("validate.schema", f"{path}: {message}")])
    return _parse(read_yaml(path), path)


def parse_schema(text: str, path: Path) -> TableSchema:
    """A schema from YAML text; `path` is what messages name.

    Raises:
        ParamsError: every problem with its dotted path.
    """
    return _parse(parse_yaml(text, path), path)


def _parse(raw: Any, path: Path) -> TableSchema:
    try:
        # JSON mode: strict about scalars, yet a mapping may fill a section.
        file = TypeAdapter(SchemaFile).validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        raise ParamsError(problems_of(error, SchemaFile, raw), str(path)) from None
    problems = contradictions(file)
    if problems:
        raise ParamsError(problems, str(path))
    return TableSchema(
        ", ".join(file.targets),
        file.task,
        tuple(_to_spec(name, column) for name, column in file.columns.items()),
        tuple(file.image.shape) if file.image else None,
        unique=tuple(map(tuple, file.unique)),
        checks=tuple(CrossRule(check.rule, check.severity) for check in file.checks),
        rules={
            name: Setting(
                entry.severity or RULES[name].default.severity,
                RULES[name].default.limit if entry.limit is None else float(entry.limit),
            )
            for name, entry in file.rules.items()
        },
        several=file.targets if len(file.targets) > 1 else (),
    )


def _to_spec(name: str, column: ColumnEntry) -> ColumnSpec:
    low, high = (None if limit is None else float(limit) for limit in (column.min, column.max))
    levels = None if column.levels is None else tuple(column.levels)
    return ColumnSpec(
        name,
        column.kind,
        column.dtype,
        column.nullable,
        column.use,
        low,
        high,
        levels,
        column.pattern,
        column.unique,
        tuple(column.accept),
        written=None if column.written is None else Written(**asdict(column.written)),
    )


def schema_text(schema: TableSchema) -> str:
    """The schema as YAML 1.2, with comments for whoever edits it."""
    columns = CommentedMap()
    for column in schema.columns:
        columns[column.name] = column_entry(column)
        remark = _remark(column, schema)
        if remark:
            columns.yaml_set_comment_before_after_key(column.name, before=remark, indent=2)
    document = CommentedMap(target=_target(schema), task=schema.task)
    if schema.image_shape is not None:
        image = CommentedMap(shape=list(schema.image_shape), dtype="uint8")
        image.fa.set_flow_style()
        document["image"] = image
    document["columns"] = columns
    document.update(_extras(schema))
    document.yaml_set_start_comment(_header())
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 1 << 20  # a column stays one line, also with a thousand levels
    yaml.dump(document, stream)
    return stream.getvalue()


def _target(schema: TableSchema) -> str | CommentedSeq:
    if not schema.several:
        return schema.target
    names = CommentedSeq(schema.several)
    names.fa.set_flow_style()
    return names


def _header() -> str:
    """What each key of the file means, for whoever edits it."""
    lines = []
    for key, meaning in meanings(SchemaFile).items():
        lines.append(_line(key, meaning))
        if key == "columns":
            lines += [_line(f"  {key}", meaning) for key, meaning in meanings(ColumnEntry).items()]
    return "\n".join([_INTRODUCTION, *lines]) + "\n"


def _line(key: str, meaning: str) -> str:
    return textwrap.fill(f"{key:<12} {meaning}", 98, subsequent_indent=" " * 13)


def write_schema(path: Path, schema: TableSchema) -> None:
    """Write the schema file atomically."""
    write_text(path, schema_text(schema))


def column_entry(column: ColumnSpec) -> CommentedMap:
    """One column as a line of the file."""
    entry = CommentedMap(kind=column.kind, dtype=column.dtype)
    if column.nullable:
        entry["nullable"] = True
    if not column.use:
        entry["use"] = False
    for key, limit in (("min", column.minimum), ("max", column.maximum)):
        if limit is not None:
            # 120, not 120.0: a person reads it, and both are the same number.
            entry[key] = int(limit) if limit.is_integer() and abs(limit) < 1e15 else limit
    if column.levels is not None:
        levels = CommentedSeq(_quoted(level) for level in column.levels)
        levels.fa.set_flow_style()
        entry["levels"] = levels
    rest: dict[str, Any] = {
        "pattern": column.pattern,
        "unique": column.unique,
        "accept": list(column.accept),
        "written": None if column.written is None else column.written.to_dict(),
    }
    entry.update({key: value for key, value in rest.items() if value})
    entry.fa.set_flow_style()
    return entry


def _extras(schema: TableSchema) -> dict[str, Any]:
    """What a user added to the columns; nothing of it is inferred."""
    extras: dict[str, Any] = {}
    if schema.unique:
        extras["unique"] = [list(group) for group in schema.unique]
    if schema.checks:
        extras["checks"] = [{"rule": c.text, "severity": c.severity} for c in schema.checks]
    if schema.rules:
        extras["rules"] = {
            name: {key: value for key, value in s._asdict().items() if value is not None}
            for name, s in schema.rules.items()
        }
    return extras


def _remark(column: ColumnSpec, schema: TableSchema) -> str | None:
    if column.name in schema.targets:
        return "a target" if schema.several else "the target"
    if column.kind == "text":
        return "not used: an identifier or free text (too many distinct values)"
    if not column.use and column.kind == "category":
        return "not used: the split of each row"
    return None if column.use else "not used: counts the rows, or holds nothing"


def _quoted(level: object) -> object:
    # ruamel writes `? 0` and `: b` as they are, and reads them from a list on one line as mappings.
    if isinstance(level, str) and level.startswith(("?", ":")):
        return SingleQuotedScalarString(level)
    return level
