"""The verb that renews a model: retrain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import options
from assay.cli.runs import INTERRUPTED

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model, whose champion is to be beaten.")]


def retrain(
    name: Name,
    data: Annotated[
        list[str] | None,
        typer.Option(help="New rows, CSV or Parquet; the server's prediction log with its labels when left out."),
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="Learn from the newest rows only: 5000 rows, or 90m, 12h, 30d, 4w by data.time.")
    ] = None,
    submission_id: Annotated[
        str | None, typer.Option(help="The same id again gives the recorded outcome, or goes on after a kill.")
    ] = None,
    holdout: Annotated[float | None, typer.Option(help="Instead of retrain.holdout in the recipe.")] = None,
    min_gain: Annotated[float | None, typer.Option(help="Instead of retrain.min_gain in the recipe.")] = None,
    min_rows: Annotated[int | None, typer.Option(help="Instead of retrain.min_rows in the recipe.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again and again, and retrain on an alarm of drift.")
    ] = False,
    every: Annotated[str, typer.Option(help="Time between two looks of --watch: 90m, 12h, 1d.")] = "1h",
    format_: options.Format = None,
    address: options.Address = None,
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Fit NAME again on old and new rows; promote it if it is better on rows that nobody saw, or say why not."""
    from assay.cli import show
    from assay.progress import Progress
    from assay.store.runs import Storage
    from assay.workflows.retraining import retrain as workflow
    from assay.workflows.run import Session

    given = {"holdout": holdout, "min_gain": min_gain, "min_rows": min_rows}
    rule = {key: value for key, value in given.items() if value is not None}
    asked = workflow.Asked(name, data or None, window, submission_id, format_, rule, tracking_uri, address)

    if watch:
        _watch(asked, every, storage, as_json)
        return
    with Progress() as progress:
        session = Session(Storage(storage), progress)
        try:
            with show.stdout_is_for_data():
                found = workflow.retrain(asked, session)
        except KeyboardInterrupt:
            typer.echo("interrupted; the same --submission-id goes on from here", err=True)
            raise typer.Exit(INTERRUPTED) from None
    if as_json:
        show.print_json(found)
    else:
        _print(found)


def _watch(asked: Any, every: str, storage: Path | None, as_json: bool) -> None:
    """Print a line for each look until Ctrl-C; with --json each is an object on a line of its own."""
    import json

    from assay.cli import show
    from assay.progress import Progress
    from assay.store.runs import Storage
    from assay.workflows.retraining import watch
    from assay.workflows.run import Session

    every_s = watch.parse_every(every)
    looks = watch.watch(asked, Session(Storage(storage), Progress()), every_s)
    try:
        while True:
            with show.stdout_is_for_data():
                seen = next(looks)
            if as_json:
                typer.echo(json.dumps(seen.to_json(), allow_nan=False))
                continue
            typer.echo(f"{asked.model}: {', '.join([*seen.alarms, seen.said])}")
            if seen.outcome is not None:
                _print(seen.outcome)
    except KeyboardInterrupt:
        typer.echo("stopped; a retraining that was under way goes on with the next --watch", err=True)


def _print(found: dict[str, Any]) -> None:
    from assay.cli import show

    rows = [[check["name"], "ok" if check["passed"] else "FAILED", check["told"]] for check in found["checks"]]
    title = f"{found['challenger'] or 'no challenger'} against {found['judged_against']}"
    show.print_table(["condition", "", ""], rows, title=title)
    for note in found["notes"] or ():
        typer.echo(note)
    if found["promoted"]:
        typer.echo(f"promoted: {found['challenger']} is champion; `assay rollback {found['model']}` takes it back")
    else:
        typer.echo(f"not promoted: {'; '.join(found['reasons'])}")
