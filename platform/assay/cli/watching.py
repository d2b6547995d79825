"""Verbs about models in use: drift."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import options

ALARM = 6  # exit code of `assay drift` when something drifted; 1 to 5 are errors
Name = Annotated[str, typer.Argument(metavar="MODEL", help="NAME, NAME@ALIAS, NAME/VERSION or a model folder.")]
NAMES = {
    "wasserstein": "Wasserstein / sd",
    "jensen_shannon": "Jensen-Shannon",
    "missing": "share missing",
    "unseen": "share unseen",
}


def drift(
    model: Name,
    data: Annotated[
        list[str] | None, typer.Option(help="CSV or Parquet; the server's prediction log when left out.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="Newest rows only: 5000 rows, or 90m, 12h, 30d, 4w by the times of the log.")
    ] = None,
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

    beside = [found[key] for key in ("prediction", "label") if found[key] is not None]
    rows = []
    for column in sorted([*beside, *found["columns"]], key=lambda column: not column["drifted"]):
        first = [column["name"], column["kind"]]
        for finding in column["findings"] or [None]:
            rows.append([*first, *_cells(finding), column["note"] if first[0] else ""])
            first = ["", ""]
    title = f"{found['rows']:,} rows from {found['source']}, against the training rows of {found['model']}"
    show.print_table(["column", "kind", "", "measure", "distance", "adjusted p", ""], rows, title=title)
    for line in summary(found):
        typer.echo(line)


def _cells(finding: dict[str, Any] | None) -> list[Any]:
    if finding is None:
        return ["", "", None, None]
    return ["DRIFT" if finding["drifted"] else "", NAMES[finding["what"]], finding["distance"], finding["adjusted_p"]]


def summary(found: dict[str, Any]) -> list[str]:
    """Return what was found in a few lines."""
    count = sum(column["drifted"] for column in found["columns"])
    alarms = f" ({', '.join(found['alarms'])})" if found["alarms"] else ""
    lines = [f"{found['verdict']}{alarms}: {count} of {len(found['columns'])} columns drifted"]
    score = found["score"]
    if score is not None:
        before = score["registered"]
        held = "" if before is None else f", registered with {_interval(before)}"
        worse = "; worse by more than chance" if score["worse"] else ""
        lines.append(f"{score['metric']} {_interval(score['now'])} on {score['rows']:,} labelled rows{held}{worse}")
    return [*lines, *found["notes"]]


def _interval(score: dict[str, Any]) -> str:
    ends = "" if score["low"] is None else f" [{score['low']:.5f}, {score['high']:.5f}]"
    return f"{score['score']:.5f}{ends}"
