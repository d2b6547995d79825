"""Verbs about models in use: drift."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import options

ALARM = 6  # exit code of `assay drift` when something drifted; 1 to 5 are errors
Name = Annotated[str, typer.Argument(help="NAME, NAME@ALIAS, NAME/VERSION or a model folder.")]
NewData = Annotated[list[str], typer.Option("--data", help="CSV or Parquet; repeat for more files.")]


def drift(
    model: Name,
    data: Annotated[
        list[str] | None, typer.Option(help="CSV or Parquet; the server's prediction log when left out.")
    ] = None,
    window: Annotated[str | None, typer.Option(help="Newest rows only: 5000, or 12h, 30d of the log.")] = None,
    picture: Annotated[Path | None, typer.Option(help="File to draw to, .svg.")] = None,
    format_: options.Format = None,
    address: options.Address = None,
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Hold new rows against the training rows of MODEL; exits with 6 when something drifted."""
    from assay.cli import show
    from assay.errors import SpecFault
    from assay.store.runs import Storage
    from assay.workflows import drift as workflow

    if picture is not None and picture.suffix != ".svg":
        raise SpecFault.at("--picture", f"'{picture}' has another ending", "name a file that ends in .svg")
    with show.stdout_is_for_data():
        found, compared = workflow.drift(
            model, data or None, Storage(storage),
            window=window, address=address, declared=format_, tracking_uri=tracking_uri,
        )  # fmt: skip
        if picture is not None:
            workflow.draw(compared, found, picture)
    if as_json:
        show.print_json(found)
    else:
        _print_drift(found)
    if found["alarms"]:
        raise typer.Exit(ALARM)


def _print_drift(found: dict[str, Any]) -> None:
    from assay.cli import show

    rows = []
    listed = [found["prediction"], *([found["label"]] if "label" in found else []), *found["columns"]]
    for column in sorted(listed, key=lambda column: not column["drifted"]):
        findings = column["findings"] or [None]
        for finding in findings:
            name = [column["name"], column["kind"]] if finding is findings[0] else ["", ""]
            rows.append([*name, *_cells(finding), column["note"] if finding is findings[0] else ""])
    title = f"Drift of {found['rows']:,} rows from {found['source']}, against {found['model']}"
    show.print_table(["column", "kind", "drift", "measure", "distance", "adjusted p", ""], rows, title=title)
    for line in summary(found):
        typer.echo(line)


def _cells(finding: dict[str, Any] | None) -> list[Any]:
    if finding is None:
        return ["", "", None, None]
    mark = "DRIFT" if finding["drifted"] else ""
    return [mark, finding["what"].replace("_", "-"), finding["distance"], finding["adjusted_p"]]


def summary(found: dict[str, Any]) -> list[str]:
    """Return what was found in a few lines."""
    count = sum(column["drifted"] for column in found["columns"])
    verdict = "the data set drifted" if found["drifted"] else "the data set did not drift"
    lines = [f"{verdict}: {count} of {len(found['columns'])} columns; alarms: {', '.join(found['alarms']) or 'none'}"]
    score = found["score"]
    if score is not None:
        before = score["registered"]
        held = "" if before is None else f", registered with {before['score']:.5f}"
        worse = "; worse by more than chance" if score["worse"] else ""
        lines.append(f"{score['metric']} {score['now']['score']:.5f} on {score['rows']:,} labelled rows{held}{worse}")
    return [*lines, *found["notes"]]
