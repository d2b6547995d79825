"""Verbs about models: predict, evaluate, models, promote, rollback, serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay.cli import options

Model = Annotated[str, typer.Argument(help="NAME, NAME@ALIAS, NAME/VERSION or a model folder.")]
Data = Annotated[list[str], typer.Argument(help="CSV or Parquet: files, folders, globs or URIs.")]


def predict(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option(help="File to write, .csv or .parquet.")],
    format_: options.Format = None,
    address: options.Address = None,
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Predict every row of DATA with MODEL."""
    from assay.cli import show
    from assay.store.runs import Storage
    from assay.workflows import models

    with show.stdout_is_for_data():
        found = models.predict(model, data, out, Storage(storage), address, format_, tracking_uri)
    if as_json:
        show.print_json(found)
    else:
        typer.echo(f"{found['rows']:,} rows by {found['model']} in {out}")


def evaluate(
    model: Model,
    data: Data,
    metric: Annotated[str | None, typer.Option(help="Metric to show first.")] = None,
    format_: options.Format = None,
    address: options.Address = None,
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Score MODEL on the labelled rows of DATA."""
    from assay.cli import show
    from assay.store.runs import Storage
    from assay.workflows import models

    with show.stdout_is_for_data():
        found = models.evaluate(model, data, Storage(storage), address, format_, metric, tracking_uri)
    if as_json:
        show.print_json(found)
    else:
        show.test_scores(found["scores"], found["rows"])


def list_models(
    tracking_uri: options.TrackingUri = None, storage: options.Storage = None, as_json: options.AsJson = False
) -> None:
    """List registered models and their versions."""
    from assay.cli import show
    from assay.store.runs import Storage
    from assay.workflows import models

    found = models.listed(Storage(storage), tracking_uri)
    if as_json:
        show.print_json(found)
    elif not found:
        typer.echo("no model is registered; train one with `assay run FILE`", err=True)
    else:
        rows = [
            [
                entry["name"],
                entry["version"],
                ", ".join(entry["aliases"]),
                entry["metric"] or "",
                entry["score"],
                entry["run"],
            ]
            for entry in found
        ]
        show.print_table(["name", "version", "aliases", "metric", "test score", "run"], rows)


def promote(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    version: Annotated[int, typer.Argument(min=1, help="Version to make champion.")],
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Make VERSION the champion of NAME."""
    from assay.store.runs import Storage
    from assay.workflows import models

    models.registry(Storage(storage), tracking_uri).promote(name, version)
    _say({"model": f"{name}/{version}", "alias": "champion"}, f"{name}/{version} is champion", as_json)


def rollback(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Make the former champion of NAME the champion again."""
    from assay.store.runs import Storage
    from assay.workflows import models

    version = models.registry(Storage(storage), tracking_uri).rollback(name)
    _say({"model": f"{name}/{version}", "alias": "champion"}, f"{name}/{version} is champion again", as_json)


def _say(data: dict[str, str], text: str, as_json: bool) -> None:
    from assay.cli import show

    if as_json:
        show.print_json(data)
    else:
        typer.echo(text)


def serve(
    model: Model,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond loopback a token is needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    address: options.Address = None,
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Serve MODEL over HTTP until Ctrl-C."""
    from assay.engines import serving
    from assay.store.runs import Storage
    from assay.workflows import models

    found = models.resolve(model, Storage(storage), tracking_uri)
    typer.echo(f"starting {found.name} on {host}:{port}", err=True)
    server = serving.start(found.folder, found.name, str(found.version or 1), host, port, address=address)
    with server:
        ready = {"url": server.url, "model": found.name, "version": server.version}
        _say(
            ready,
            f"serving {found.name}/{server.version} at {server.url}; Ctrl-C stops it",
            as_json,
        )
        server.wait()
    typer.echo("stopped", err=True)
