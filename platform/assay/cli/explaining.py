"""The verb that says why: explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import options

SHOWN = 8  # contributions of a row that people see; all are in --json and --out
WIDTH = 40  # characters of a value


def explain(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME, NAME@ALIAS, NAME/VERSION or a model folder.")],
    data: Annotated[list[str], typer.Argument(metavar="DATA", help="CSV or Parquet: files, folders, globs or URIs.")],
    rows: Annotated[int, typer.Option(min=1, help="Explain this many rows, the first.")] = 3,
    out: Annotated[Path | None, typer.Option(help="File to write all contributions to, .csv or .parquet.")] = None,
    of: Annotated[str | None, typer.Option("--class", help="Class to explain instead of the predicted one.")] = None,
    evaluations: Annotated[
        int | None,
        typer.Option(help="Evaluations of the model for each row, 64 to 65536; more err less.", show_default="2048"),
    ] = None,
    format_: options.Format = None,
    address: options.Address = None,
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what each column added to the answers of MODEL to the first rows of DATA."""
    from assay.cli import show
    from assay.store.runs import Storage
    from assay.workflows import explaining

    with show.stdout_is_for_data():
        found = explaining.explain(
            model, data, Storage(storage), num_rows=rows, of=of, evaluations=evaluations, out=out,
            address=address, declared=format_, tracking_uri=tracking_uri,
        )  # fmt: skip
    if as_json:
        show.print_json(found)
    elif out is not None:
        typer.echo(f"{found['rows']:,} rows of {found['model']} explained in {out}")
    else:
        for place, explanation in enumerate(found["explanations"]):
            _print(place, explanation)


def _print(place: int, explanation: dict[str, Any]) -> None:
    from assay.cli import show

    parts, rest = explanation["contributions"][:SHOWN], explanation["contributions"][SHOWN:]
    table = [[part["column"], _short(part["value"]), part["contribution"], part["standard_error"]] for part in parts]
    if rest:
        table.append([f"{len(rest)} others", "", sum(part["contribution"] for part in rest), None])
    at = "".join(f", {name} {value}" for name, value in explanation.get("at", {}).items())
    said = f"{explanation['value']:.4g}, {explanation['base']:.4g} on average"
    if explanation["of"] is not None:
        said = f"{_short(explanation['prediction'])}; probability of {explanation['of']} {said}"
    typer.echo(f"Row {place}{at}: {said}")
    show.print_table(["column", "value", "adds", "+-"], table)
    typer.echo("")


def _short(value: Any) -> str:
    from assay.cli import show

    text = "" if value is None else show.plain_number(value) if isinstance(value, float) else str(value)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
