"""Registered models: which there are, which one a reference means, and what they predict."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from assay import catalog
from assay.engines import batch_predict, cluster, loading
from assay.errors import DataFault, SpecFault
from assay.forecasting.framing import Framed
from assay.forecasting.requests import forecast, framing_of
from assay.model import Model
from assay.parts import Json
from assay.store import artifact, tables
from assay.store.registry import Registry, ResolvedModel
from assay.store.releases import Releases
from assay.store.runs import Storage
from assay.store.tracking import Tracking
from assay.vocabulary import Shelf
from assay.workflows import long_series
from assay.workflows.choices import METRIC_OF
from assay.workflows.finalize import scores
from assay.workflows.forecasts import judged_windows


def registry(storage: Storage, tracking_uri: str | None = None) -> Registry:
    """Return the registry of a storage, or of a tracking server."""
    return Registry(Tracking(tracking_uri, storage.root))


def listed(storage: Storage, tracking_uri: str | None = None) -> list[Json]:
    """Return every registered version: name, version, aliases, score, metric, run."""
    found = registry(storage, tracking_uri).models()
    return [
        {
            "name": version.name,
            "version": version.number,
            "aliases": list(version.aliases),
            "run": version.run,
            "metric": version.tags.get("assay.metric"),
            "score": _number(version.tags.get("assay.score")),
        }
        for versions in found.values()
        for version in versions
    ]


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def resolve(reference: str, storage: Storage, tracking_uri: str | None = None) -> ResolvedModel:
    """Return what NAME, NAME@ALIAS, NAME/VERSION or a folder stands for.

    Raises:
        SpecFault: nothing.
        ArtifactFault: what is there was changed.
    """
    return registry(storage, tracking_uri).resolve(reference)


def promote(
    storage: Storage,
    name: str,
    version: int | None,
    canary: str | None = None,
    shadow: int | None = None,
    tracking_uri: str | None = None,
) -> Json:
    """Change which versions of a model are in production, and return them by role.

    A version alone becomes champion; with `canary`, a share such as `10%`, it answers that share of the keys; `shadow`
    is a version that watches. 0 ends either.

    Raises:
        SpecFault: there is no such model or version, or nothing is asked for.
    """
    releases = Releases(registry(storage, tracking_uri))
    if version is None and (canary is not None or shadow is None):
        raise SpecFault.at("assay promote", "VERSION is missing", f"write `assay promote {name} VERSION`")
    if version is not None and canary is not None:
        releases.canary(name, version, share_of(canary, "--canary"))
    elif version is not None:
        releases.promote(name, version)
    if shadow is not None:
        releases.shadow(name, shadow or None)
    return releases.roles(name)


def rollback(storage: Storage, name: str, tracking_uri: str | None = None) -> Json:
    """Make the former champion the champion again, end the canary, and return the versions by role.

    Raises:
        SpecFault: there is no such model, or it has no former champion.
    """
    releases = Releases(registry(storage, tracking_uri))
    releases.rollback(name)
    return releases.roles(name)


def share_of(text: str, option: str) -> float:
    """Return a share that was written as `10%` or `0.1`.

    Raises:
        SpecFault: it is no number, or none from 0 to 1.
    """
    written = text.strip()
    try:
        share = float(written.removesuffix("%")) / 100 if written.endswith("%") else float(written)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SpecFault.at(option, f"'{text}' is no share", f"write 0% to 100%, such as {option} 10%")
    return share


def predict(
    reference: str,
    data: list[str],
    out: Path,
    storage: Storage,
    address: str | None,
    declared: str | None,
    tracking_uri: str | None = None,
) -> Json:
    """Predict every row of files and write `row`, `prediction` and `probability_CLASS` to one file.

    A model that forecasts reads the history of each series, and writes `prediction` for each series and time to come.

    Raises:
        SpecFault: no such model, or the ending of `out` tells no format.
        DataFault: the data cannot be read or does not fit the model.
    """
    tables.check_ending(out)
    found = resolve(reference, storage, tracking_uri)
    model = artifact.load(found.folder)
    num_cpus = cluster.connect(address)
    framing = framing_of(model.card)
    if framing is not None:
        num_rows = tables.write(out, [forecast(framing, loading.load(data, declared), model.predict)])
        return {"model": title(found), "rows": num_rows, "out": str(out)}
    columns = [column.name for column in model.profile.used]
    if long_series.spec_of(model) is None:
        parts = batch_predict.predictions(found.folder.absolute(), data, declared, max(1, num_cpus - 1), columns)
    else:
        parts = long_series.answers(model, loading.load(data, declared))
    num_rows = tables.write(out, parts)
    return {"model": title(found), "rows": num_rows, "out": str(out)}


def evaluate(
    reference: str,
    data: list[str],
    storage: Storage,
    address: str | None,
    declared: str | None,
    metric: str | None,
    tracking_uri: str | None = None,
) -> Json:
    """Score a model on labelled rows: every metric of the task, each with its 95 % interval.

    A model that forecasts is judged on rolling windows after the first rows of each series, which are its history.

    Raises:
        SpecFault: no such model or metric.
        DataFault: the data has no label column, or does not fit the model.
    """
    found = resolve(reference, storage, tracking_uri)
    model = artifact.load(found.folder)
    first = metric or model.card.get("metric") or METRIC_OF[model.task]
    if model.task not in catalog.find(Shelf.METRICS, first).tasks:
        raise SpecFault.at("--metric", f"'{first}' is not for the task {model.task}", "see `assay parts metrics`")
    cluster.connect(address)
    table = long_series.as_trained(model, loading.load(data, declared))
    framing, framed = framing_of(model.card), None
    if framing is not None:
        framed = judged_windows(framing, table)
        table = framed.table
    told = _scores(model, table, first, framed)
    return {"model": title(found), "rows": table.num_rows, "metric": first, "scores": told}


def _scores(model: Model, table: pa.Table, first: str, framed: Framed | None) -> Json:
    batch = model.batch(table)
    if batch.y_N is None:
        raise DataFault.at(
            f"label '{model.profile.label.name}'",
            "no column has this name",
            "evaluate needs the true labels; `assay predict` does not",
        )
    missing = batch.y_N != batch.y_N if not model.classes else batch.y_N < 0
    if missing.any():
        raise DataFault.at(
            f"label '{model.profile.label.name}'",
            f"{int(missing.sum()):,} of {len(missing):,} rows are missing",
            "drop these rows",
        )
    return scores(model, batch.y_N, model.predict_batch(batch), first, seed=0, framed=framed)


def title(found: ResolvedModel) -> str:
    """Return a model as NAME or NAME/VERSION."""
    return found.name if found.version is None else f"{found.name}/{found.version}"
