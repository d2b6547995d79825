"""Verbs about models: predict, evaluate, models, promote, rollback, serve."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import options
from assay.vocabulary import OnError

Model = Annotated[str, typer.Argument(metavar="MODEL", help="NAME, NAME@ALIAS, NAME/VERSION or a model folder.")]
References = Annotated[
    list[str],
    typer.Argument(metavar="MODEL", help="NAME follows its aliases; NAME@ALIAS, NAME/VERSION or a folder stay."),
]
Data = Annotated[list[str], typer.Argument(metavar="DATA", help="CSV or Parquet: files, folders, globs or URIs.")]


class LogLevel(StrEnum):
    """How much a server writes down."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def predict(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option(help="File to write, .csv or .parquet.")],
    on_error: options.OnErrorOption = OnError.FAIL,
    force: Annotated[bool, typer.Option(help="Replace a file that exists.")] = False,
    format_: options.Format = None,
    address: options.Address = None,
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Predict every row of DATA with MODEL."""
    from assay.cli import show
    from assay.store.runs import Storage
    from assay.workflows import predicting

    source = predicting.Source(data, address, format_, on_error)
    with show.stdout_is_for_data():
        found = predicting.predict(model, source, out, Storage(storage), tracking_uri, force=force)
    show.bad_rows(found)
    show.warnings(found)
    if as_json:
        show.print_json(found)
    else:
        typer.echo(f"{found['rows']:,} rows by {found['model']} in {out}")


def evaluate(
    model: Model,
    data: Data,
    metric: Annotated[str | None, typer.Option(help="Metric to show first.")] = None,
    on_error: options.OnErrorOption = OnError.FAIL,
    format_: options.Format = None,
    address: options.Address = None,
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Score MODEL on the labelled rows of DATA."""
    from assay.cli import show
    from assay.store.runs import Storage
    from assay.workflows import predicting

    source = predicting.Source(data, address, format_, on_error)
    with show.stdout_is_for_data():
        found = predicting.evaluate(model, source, Storage(storage), metric, tracking_uri)
    show.bad_rows(found)
    show.warnings(found)
    if found["seen_in_training"]:
        typer.echo(f"warning: {found['model']} was trained on these rows, so the scores are too good", err=True)
    if as_json:
        show.print_json(found)
    else:
        show.scores(found["scores"], f"{found['model']} on {found['rows']:,} rows of {found['data']}")


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
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")],
    version: Annotated[
        int | None, typer.Argument(metavar="VERSION", min=1, help="Version to make champion, or canary.")
    ] = None,
    canary: Annotated[str | None, typer.Option(help="Give VERSION a share of the keys: 10%; 0% ends.")] = None,
    shadow: Annotated[int | None, typer.Option(min=0, help="Let this version watch, answering nobody; 0 ends.")] = None,
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Make VERSION the champion of NAME, or let it share its work; running servers follow."""
    from assay.store.runs import Storage
    from assay.workflows import models

    found = models.promote(Storage(storage), name, version, canary, shadow, tracking_uri)
    _say(found, "; ".join(f"{alias}: {told}" for alias, told in found.items() if told), as_json)


def rollback(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")],
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Make the former champion of NAME the champion again, and end its canary."""
    from assay.store.runs import Storage
    from assay.workflows import models

    found = models.rollback(Storage(storage), name, tracking_uri)
    _say(found, f"{name}/{found['champion']} is champion again", as_json)


def _say(data: Mapping[str, Any], text: str, as_json: bool) -> None:
    from assay.cli import show

    if as_json:
        show.print_json(data)
    else:
        typer.echo(text)


def serve(
    references: References,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond loopback a token is needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    replicas: Annotated[int, typer.Option(min=1, help="Processes that hold the models.")] = 1,
    max_replicas: Annotated[int | None, typer.Option(min=1, help="Most processes, while requests wait.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPUs of each process.")] = 1,
    haproxy: Annotated[
        bool | None, typer.Option(help="Put HAProxy in front; by default where there is one, or as the cluster has it.")
    ] = None,
    fan_out: Annotated[int, typer.Option(min=0, help="Processes to divide the members of each model among.")] = 0,
    member_deadline: Annotated[float, typer.Option(min=0.01, max=10, help="Seconds to wait for a late member.")] = 1.0,
    log: Annotated[str, typer.Option(help="Share of the requests to keep for `assay drift`: 100%.")] = "0%",
    tokens: Annotated[bool, typer.Option("--tokens", help="Ask for a token on loopback too.")] = False,
    allow_host: Annotated[list[str] | None, typer.Option(help="Another name of this server in URLs.")] = None,
    log_level: Annotated[LogLevel, typer.Option(help="info: every request; warning: what failed.")] = LogLevel.INFO,
    address: options.Address = None,
    tracking_uri: options.TrackingUri = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Serve models over HTTP until Ctrl-C, and follow what `promote`, `rollback` and `token` say."""
    from assay.engines import addresses, serving
    from assay.engines.admission import Admission, is_guarded
    from assay.engines.keeping import Keeping
    from assay.store.runs import Storage
    from assay.workflows import models, production

    host = addresses.plain_host(host)
    keeping = Keeping(Storage(storage).root, models.share_of(log, "--log"))
    found = production.Production(Storage(storage), references, tracking_uri)
    typer.echo(f"starting {', '.join(references)} on {addresses.place_of(host, port)}", err=True)
    scale = serving.Scale(replicas, max_replicas, threads, fan_out, member_deadline)
    guarded = tokens or is_guarded(host)
    admission = Admission(found.tokens() if guarded else None, tuple(allow_host or ()), log_level.value)
    if keeping.share:
        typer.echo(str(keeping), err=True)
    server = serving.start(
        found.releases(),
        host,
        port,
        scale=scale,
        address=address,
        with_haproxy=haproxy,
        admission=admission,
        keeping=keeping,
    )
    with server:
        named = [serving.described(release) for release in server.releases]
        first = server.releases[0]
        ready = {"url": server.url, "model": first.name, "version": first.champion.version, "serving": named}
        _say(ready, f"serving {'; '.join(named)} at {server.url}; Ctrl-C stops it", as_json)
        asked = found.tokens if guarded else None
        if guarded:
            typer.echo(f"may ask: {admission}", err=True)
        server.follow(found.releases, _report, production.LOOK_S, asked, lambda: found.problems)
    typer.echo("stopped", err=True)


def _report(text: str) -> None:
    typer.echo(text, err=True)
