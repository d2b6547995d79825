"""A model fitted again on old and new rows, judged beside the champion on rows that neither saw, promoted or not.

Each step is on the disk before the next begins, under the id that the retraining was submitted with: the same id gives
the recorded outcome, or goes on where a kill left it. Nothing is fitted, judged or promoted twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pydantic import ValidationError

from assay.errors import ClusterFault, DataFault, SpecFault
from assay.evaluation.promotion import Verdict, enough
from assay.forecasting.requests import framing_of
from assay.model import Model
from assay.parts import Json
from assay.spec import Experiment
from assay.spec.retraining import RetrainSpec
from assay.spec.wording import setting_fault
from assay.store import artifact
from assay.store.registry import CHALLENGER, CHAMPION, Registry, Version
from assay.store.releases import Releases
from assay.store.retrainings import ASKED, GATHERED, OUTCOME, RUN, VERDICT, Retraining, Retrainings
from assay.store.runs import Run
from assay.workflows import models, run
from assay.workflows.long_series import spec_of
from assay.workflows.ready import slots
from assay.workflows.retraining.division import Gathered, classes_of
from assay.workflows.retraining.given import Given, given_rows, look_for_rows
from assay.workflows.retraining.judging import verdict
from assay.workflows.retraining.recipe import recipe_again, refuse_other_rows
from assay.workflows.retraining.rows import divided, judged_before, old_rows
from assay.workflows.unreadable import readable_places
from assay.workflows.windows import Window


@dataclass(frozen=True)
class Asked:
    """What a retraining is asked to do; `data` is paths, a table, or None for the prediction log with its labels."""

    model: str
    data: Sequence[str] | pa.Table | None = None
    window: str | None = None
    submission: str | None = None
    declared: str | None = None  # format of the files
    rule: Json = field(default_factory=dict)  # instead of what `retrain` in the recipe says
    tracking_uri: str | None = None
    address: str | None = None


@dataclass(frozen=True)
class Shop:
    """What the steps of a retraining share."""

    asked: Asked
    session: run.Session
    record: Retraining
    registry: Registry
    champion: Version
    kept: Run  # that made the champion

    @property
    def experiment(self) -> Experiment:
        """The champion's recipe, with what was asked instead."""
        read, asked = run.read_spec(self.kept), self.asked
        update: Json = {"retrain": rule_of(read, asked)}
        if asked.address is not None:
            update["compute"] = read.compute.model_copy(update={"address": asked.address})
        if asked.tracking_uri is not None:
            update["register_"] = read.register_.model_copy(update={"tracking_uri": asked.tracking_uri})
        return read.model_copy(update=update)


def retrain(asked: Asked, session: run.Session) -> Json:
    """Fit a challenger, judge it, promote it or say why not; returns what `assay retrain --json` prints.

    Raises:
        SpecFault: no such model, it has no champion, or its run is not in the storage.
        DataFault: the new rows cannot be read, lack columns, or the champion's own rows changed.
        ClusterFault: Ray, the registry or the disk failed; ask again with the same submission id.
    """
    if asked.window is not None:
        Window.parse(asked.window)  # long before it is needed
    record = Retrainings(session.storage).open(asked.submission, asked.model)
    session.tell("retraining", {"submission": record.id, "model": asked.model})
    try:
        outcome = _through(asked, session, record)
    finally:
        record.forget_unasked()
    session.tell("retrained", outcome)
    return outcome


def _through(asked: Asked, session: run.Session, record: Retraining) -> Json:
    """Do the steps that are not done yet, and return the outcome."""
    with record.lock():
        known = record.read(ASKED)
        if known is not None and known["model"] != asked.model:
            raise SpecFault.at(
                f"submission '{record.id}'", f"is a retraining of '{known['model']}'", "give another submission id"
            )
        if (ended := record.read(OUTCOME)) is not None:
            return ended
        shop = _shop(asked, session, record, known)
        fitted = _fitted(shop)
        outcome = fitted if "promoted" in fitted else _settled(shop, fitted)
        record.write(OUTCOME, outcome)
        return outcome


def rule_of(experiment: Experiment, asked: Asked) -> RetrainSpec:
    """Return what the recipe says of retraining, with what was asked instead.

    Raises:
        SpecFault: a value is out of its bounds, or no such key is there.
    """
    try:
        return RetrainSpec.model_validate({**experiment.retrain.model_dump(), **asked.rule})
    except ValidationError as error:
        places = [(str(item["loc"][0]), item) for item in error.errors()]
        told = [setting_fault(f"retrain.{name}", [item], RetrainSpec, name) for name, item in places]
        raise SpecFault(*(replace(fault, fix="") for fault in told)) from None


def _shop(asked: Asked, session: run.Session, record: Retraining, known: Json | None) -> Shop:
    """Find the champion to beat, the one of the interrupted session where there was one, and write it down."""
    registry = models.registry(session.storage, asked.tracking_uri)
    registry.version(asked.model)
    champion = (
        registry.champion(asked.model) if known is None else registry.version(asked.model, str(known["champion"]))
    )
    if champion is None:
        raise SpecFault.at(
            f"model '{asked.model}'", "has no champion to beat", f"first `assay promote {asked.model} VERSION`"
        )
    if champion.run not in session.storage.runs():
        raise SpecFault.at(
            f"model '{champion}'", f"was made by run '{champion.run}', which is not in {session.storage.root}",
            "give the --storage that holds the run: its recipe and rows are needed",
        )  # fmt: skip
    if known is None:
        record.write(ASKED, {
            "model": asked.model, "champion": champion.number, "window": asked.window, "rule": asked.rule,
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
        })  # fmt: skip
    return Shop(asked, session, record, registry, champion, session.storage.open_run(champion.run))


def _fitted(shop: Shop) -> Json:
    """Return the result of the challenger's run; or the outcome, where there are too few rows to judge by."""
    begun = shop.record.read(RUN)
    if begun is not None and (shop.session.storage.root / "runs" / begun["run"] / "spec.yaml").exists():
        return run.resume(begun["run"], shop.session)
    experiment = shop.experiment  # first: reading it imports modules of the owner's that the model needs
    model = artifact.load(shop.registry.artifact_path(*_reference(shop.champion)))
    refuse_other_rows(shop.asked.model, experiment)
    look_for_rows(shop.asked.data, shop.champion, shop.session.storage, shop.asked.declared)
    num_cpus = run.connect(experiment, shop.session.tell)
    gathered = _gathered(shop, experiment, model, slots(experiment, num_cpus))
    few = enough(gathered.held.num_rows, experiment.retrain)
    if few is not None:
        told = {**few.to_json(), "told": f"{few.told}; give more new rows, or lower retrain.min_rows"}
        return _outcome(shop, None, {"reasons": [f"rows: {told['told']}"], "checks": [told]}, promoted=False)
    classes = classes_of(gathered.train, experiment.data.label) if model.classes else set()
    result = shop.kept.read_json("result.json")
    again = recipe_again(
        experiment, model, result, shop.asked.model, shop.champion.number, classes, gathered.train.num_rows
    )
    memory = {"train": gathered.train, "test": gathered.held}
    return run.start(again, replace(shop.session, memory=memory, begun=shop.record.begun))


def _reference(version: Version) -> tuple[str, str]:
    return version.name, str(version.number)


def _gathered(shop: Shop, experiment: Experiment, model: Model, num_slots: int) -> Gathered:
    """Read old and new rows, divide them, and write down what was found."""
    asked, storage, record = shop.asked, shop.session.storage, shop.record
    shop.session.tell("reading", {"data": f"the rows of {shop.champion}"})
    old = old_rows(shop.kept, experiment, num_slots)
    shop.session.tell("reading", {"data": "new rows"})
    given = given_rows(asked.data, shop.champion, experiment.data.label, storage, asked.declared, asked.address)
    given = _readable(given, model)
    others = [one for one in Retrainings(storage).of(asked.model) if one.id != record.id]
    found = divided(old, given, experiment, model, asked.window, judged_before(others, given.source))
    counts = {"rows": found.num_new, "train": found.train.num_rows, "held": found.held.num_rows}
    record.write(GATHERED, {**given.to_json(), **counts, "notes": list(found.notes)})
    return found


def _readable(given: Given, model: Model) -> Given:
    """Return new rows without those that the champion cannot read; what all of them lack is told later."""
    if spec_of(model) is not None or framing_of(model.card) is not None:
        return given
    try:
        places, notes = readable_places(model, given.table)
    except DataFault:
        return given
    return replace(given, table=given.table.take(pa.array(places)), notes=(*given.notes, *notes)) if notes else given


def _settled(shop: Shop, result: Json) -> Json:
    """Judge the challenger of a finished run, and promote it where the verdict says so."""
    if result["model"] is None:
        raise ClusterFault.at(
            f"run '{result['run']}'", "is finished, and its model could not be registered",
            f"retrain again with the submission id {shop.record.id}",
        )  # fmt: skip
    version = int(result["model"].rpartition("/")[2])
    judged = shop.record.read(VERDICT)
    if judged is None:
        shop.registry.promote(shop.asked.model, version, CHALLENGER)
        judged = _judged(shop, shop.session.storage.open_run(result["run"])).to_json()
        shop.record.write(VERDICT, judged)
    why_not = "; ".join(judged["reasons"])
    if judged["promote"]:
        why_not = conclude(Releases(shop.registry), shop.asked.model, shop.champion.number, version)
        judged = {**judged, "reasons": [why_not] if why_not else []}
    return _outcome(shop, version, judged, promoted=not why_not, run_id=result["run"])


def _judged(shop: Shop, fitted: Run) -> Verdict:
    import pyarrow.parquet as pq

    shop.session.tell("judging", {"champion": str(shop.champion)})
    experiment = run.read_spec(fitted)
    champion = artifact.load(shop.registry.artifact_path(*_reference(shop.champion)))
    held = pq.read_table(fitted.path("data/test.parquet"))
    return verdict(champion, artifact.load(fitted.model), held, experiment.retrain, experiment.seed)


def conclude(releases: Releases, name: str, judged_against: int, version: int) -> str:
    """Promote a challenger that won; returns why not where something else happened meanwhile. May be called again.

    The alias of challengers is taken from it last: a version that has lost it was promoted before.
    """
    by_alias = {alias: one.number for one in releases.registry.versions(name) for alias in one.aliases}
    champion = by_alias.get(CHAMPION)
    if champion != version:
        if by_alias.get(CHALLENGER) != version:
            return f"{name}/{version} is no challenger any more: it was promoted before, or another took its place"
        if champion != judged_against:
            return f"the champion is {champion} now, judged was against {judged_against}; retrain again"
    releases.promote(name, version)
    if by_alias.get(CHALLENGER) == version:
        releases.registry.withdraw(name, CHALLENGER)
    return ""


def _outcome(shop: Shop, version: int | None, judged: Json, *, promoted: bool, run_id: str | None = None) -> Json:
    name, gathered = shop.asked.model, shop.record.read(GATHERED) or {}
    return {
        "submission": shop.record.id,
        "model": name,
        "judged_against": str(shop.champion),
        "challenger": None if version is None else f"{name}/{version}",
        "promoted": promoted,
        "reasons": judged["reasons"],
        "checks": judged["checks"],
        "run": run_id,
        "storage": str(Path(shop.session.storage.root)),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        **{key: gathered.get(key) for key in ("source", "rows", "train", "held", "notes")},
    }
