"""A finished model: from rows as people send them to predictions, with the very functions that training used.

    table -> kind.to_batch -> recipe (steps) -> members (with steps of their own) -> ensemble.combine -> calibration
          -> prediction_NK -> decision

It holds no Ray, no files and no server; `files` and `from_files` turn it into named bytes and back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.batch import Batch
from assay.cells import from_frame
from assay.decision import Calibration, Decision, read_calibration, read_decision
from assay.errors import ArtifactFault, AssayError
from assay.fitting import loaded
from assay.parts import Ensemble, Files, Fit, Fitted, Json, Learned
from assay.profile import Profile
from assay.recipe import Recipe, StepState
from assay.vocabulary import Shelf, Task

FORMAT = 2  # of the files; a reader refuses what it does not know
READS = (1, 2)  # 1 knows no members that read only some features


@dataclass(frozen=True)
class Member:
    """A fitted algorithm inside a model, the recipe that feeds it, and the columns of the matrix that it reads.

    Members of one name are averaged.
    """

    name: str
    algorithm: str
    params: Json
    recipe: str
    fitted: Fitted
    features: tuple[int, ...] | None = None  # ascending; all when None

    def predict(self, fed: Batch) -> np.ndarray:
        """Return prediction_NK for what the recipe made."""
        return self.fitted.predict(fed if self.features is None else fed.of_features(self.features))


@dataclass(frozen=True)
class Combination:
    """The ensemble that joins the members; with None in its place a model is its only member."""

    key: str
    params: Json
    learned: Learned
    recipe: str = ""  # that makes the columns which the ensemble reads beside the predictions, where it reads any

    @property
    def part(self) -> Ensemble:
        """The ensemble itself."""
        made: Ensemble = catalog.make(Shelf.ENSEMBLES, self.key, self.params)
        return made

    def join(
        self, prediction_mNK: np.ndarray, present_m: Sequence[int], num_members: int, columns: Batch | None
    ) -> np.ndarray:
        """Return prediction_NK of the members at `present_m`, all of them or some, beside the columns it reads."""
        part, learned = self.part, self.learned
        if len(present_m) < num_members:
            partial = part.partial(learned, present_m)
            if partial is None:
                mean_NK = prediction_mNK.mean(axis=0)
                filled_MNK = np.repeat(mean_NK[None], num_members, axis=0)
                filled_MNK[list(present_m)] = prediction_mNK
                prediction_mNK = filled_MNK
            learned = partial or learned
        return part.combine_rows(learned, prediction_mNK, None if columns is None else columns.without_pending())


@dataclass(frozen=True, repr=False)
class Model:
    """Everything that is needed to predict, and to say what it was trained on.

    Rows are Arrow tables, or DataFrames of pandas or polars.
    """

    kind: str
    profile: Profile
    recipes: Mapping[str, Recipe]
    members: tuple[Member, ...]
    combination: Combination | None = None
    card: Json = field(default_factory=dict)  # what a person wants to know: experiment, run, metric, scores
    calibration: Calibration | None = None
    decision: Decision | None = None  # the most probable class when left out

    def __repr__(self) -> str:
        label, names = self.profile.label, dict.fromkeys(member.name for member in self.members)
        shown = ", ".join([*names][:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        return f"<Model of {label.name!r} ({label.task.value}): {shown}; {len(self.profile.used)} columns>"

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.profile.label.task

    @property
    def classes(self) -> tuple[str, ...]:
        """Class of column 0, 1, … of a prediction; empty for regression."""
        return self.profile.label.classes

    def batch(self, table: pa.Table) -> Batch:
        """Return the rows as canonical columns.

        Raises:
            DataFault: naming each column that is missing or of another type than in training.
        """
        made: Batch = catalog.make(Shelf.KINDS, self.kind).to_batch(from_frame(table), self.profile)
        return made

    def predict(self, table: pa.Table) -> np.ndarray:
        """Return prediction_NK for the rows of a table, in its order."""
        return self.predict_batch(self.batch(table))

    def predict_batch(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK for canonical columns."""
        return self.calibrated(self._joined(batch))

    def calibrated(self, prediction_NK: np.ndarray) -> np.ndarray:
        """Return what the joined members say as probabilities that can be trusted."""
        return prediction_NK if self.calibration is None else self.calibration.apply(prediction_NK)

    def weighed(self, prediction_NK: np.ndarray) -> np.ndarray:
        """Return numbers of which the greatest is the answer: what metrics that judge answers are given."""
        return prediction_NK if self.decision is None else self.decision.weighed(prediction_NK)

    def _joined(self, batch: Batch) -> np.ndarray:
        fed: dict[str, Batch] = {}
        return self.join([member.name for member in self.members], self.said(batch, fed), batch, fed)

    def said(self, batch: Batch, fed: dict[str, Batch]) -> list[np.ndarray]:
        """Return prediction_NK of each member, and put into `fed` what the recipes make of the batch."""
        for member in self.members:
            if member.recipe not in fed:
                fed[member.recipe] = self.recipes[member.recipe].apply(batch)
        return [member.predict(fed[member.recipe]) for member in self.members]

    def join(
        self, names: Sequence[str], said: Sequence[np.ndarray | None], batch: Batch, fed: dict[str, Batch]
    ) -> np.ndarray:
        """Return prediction_NK, not yet calibrated, of what members of these names said; None: one did not answer.

        One answer at least there must be.
        """
        by_name: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for name, found_NK in zip(names, said, strict=True):
            by_name[name] += [] if found_NK is None else [found_NK]
        present_m = [place for place, found in enumerate(by_name.values()) if found]
        prediction_mNK: np.ndarray = np.stack([np.mean(found, axis=0) for found in by_name.values() if found])
        if self.combination is None:
            only: np.ndarray = prediction_mNK[0]
            return only
        recipe = self.combination.recipe
        if recipe and recipe not in fed:
            fed[recipe] = self.recipes[recipe].apply(batch)
        return self.combination.join(prediction_mNK, present_m, len(by_name), fed[recipe] if recipe else None)

    def answer(self, prediction_NK: np.ndarray) -> np.ndarray:
        """Return what a person asked for: the class that is decided for each row, as text, or the number."""
        if not self.classes:
            numbers: np.ndarray = prediction_NK[:, 0]
            return numbers
        return np.asarray(np.array(self.classes, dtype=object)[self.weighed(prediction_NK).argmax(axis=1)])

    def answer_table(self, table: pa.Table) -> pa.Table:
        """Return `prediction`, and `probability_CLASS` for each class, for the rows of a table."""
        prediction_NK = self.predict(table)
        columns = {"prediction": pa.array(self.answer(prediction_NK))}
        for index, name in enumerate(self.classes):
            columns[f"probability_{name}"] = pa.array(prediction_NK[:, index].astype(np.float64))
        return pa.table(columns)

    def files(self) -> dict[str, bytes]:
        """Return the model as named bytes: JSON that describes it, and each fitted part in its own folder."""
        content: dict[str, bytes] = {}
        for index, member in enumerate(self.members):
            _put(content, f"members/{index}", member.fitted.files())
        described = {
            "format": FORMAT,
            "kind": self.kind,
            "card": self.card,
            "recipes": {name: [vars(step) for step in recipe.steps] for name, recipe in self.recipes.items()},
            "members": [
                {
                    "name": member.name,
                    "algorithm": member.algorithm,
                    "params": member.params,
                    "recipe": member.recipe,
                    "features": None if member.features is None else list(member.features),
                    "facts": dict(member.fitted.facts),
                }
                for member in self.members
            ],
            "combination": None,
            "calibration": self.calibration and self.calibration.model_dump(mode="json"),
            "decision": self.decision and self.decision.model_dump(mode="json"),
        }
        if self.combination:
            learned = self.combination.learned
            for name, (_, fitted) in learned.models.items():
                _put(content, f"combination/{name}", fitted.files())
            described["combination"] = {
                "key": self.combination.key,
                "params": self.combination.params,
                "values": learned.values,
                "recipe": self.combination.recipe,
                "models": {
                    name: {"algorithm": fit.algorithm, "params": fit.params}
                    for name, (fit, _) in learned.models.items()
                },
            }
        content["model.json"] = json.dumps(described, indent=1, allow_nan=False).encode()
        content["profile.json"] = json.dumps(self.profile.to_json(), allow_nan=False).encode()
        return content

    @classmethod
    def from_files(cls, content: Files) -> Model:
        """Read what `files` returned. The caller has checked hashes; this checks structure.

        Raises:
            ArtifactFault: the content is not a model, or of a newer format.
        """
        try:
            described = json.loads(content["model.json"])
            profile = Profile.from_json(json.loads(content["profile.json"]))
            if described["format"] not in READS:
                raise ArtifactFault.at(
                    "model.json",
                    f"has format {described['format']}, this version reads {' and '.join(map(str, READS))}",
                    "install the version of assay that wrote it",
                )
            recipes = {
                name: Recipe(tuple(StepState(**step) for step in steps)) for name, steps in described["recipes"].items()
            }
            members = tuple(
                Member(
                    entry["name"],
                    entry["algorithm"],
                    entry["params"],
                    entry["recipe"],
                    _load(entry, _under(content, f"members/{index}")),
                    _features(entry.get("features")),
                )
                for index, entry in enumerate(described["members"])
            )
            return cls(
                described["kind"],
                profile,
                recipes,
                members,
                _combination(described["combination"], content),
                described["card"],
                read_calibration(described.get("calibration"), len(profile.label.classes)),
                read_decision(described.get("decision"), len(profile.label.classes)),
            )
        except AssayError as error:
            raise error if isinstance(error, ArtifactFault) else ArtifactFault(*error.faults) from None
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
            raise ArtifactFault.at(
                "model.json",
                f"is not a model description ({type(error).__name__}: {error})",
                "take the artifact from where it was made again",
            ) from None


def _combination(entry: Json | None, content: Files) -> Combination | None:
    if entry is None:
        return None
    models = {
        name: (Fit(inner["algorithm"], inner["params"], 0), _load(inner, _under(content, f"combination/{name}")))
        for name, inner in entry["models"].items()
    }
    return Combination(entry["key"], entry["params"], Learned(entry["values"], models), entry.get("recipe", ""))


def _load(entry: Json, files: Files) -> Fitted:
    if ":" in entry["algorithm"] or "." in entry["algorithm"]:
        catalog.known_import(entry["algorithm"])
    return loaded(catalog.make(Shelf.ALGORITHMS, entry["algorithm"], entry["params"]), files)


def _features(listed: list[int] | None) -> tuple[int, ...] | None:
    if listed is None:
        return None
    whole = all(type(index) is int and index >= 0 for index in listed)
    if not listed or not whole or listed != sorted(set(listed)):
        raise ValueError("the features of a member are not column numbers in ascending order")
    return tuple(listed)


def _put(content: dict[str, bytes], folder: str, files: Files) -> None:
    content.update({f"{folder}/{name}": data for name, data in files.items()})


def _under(content: Files, folder: str) -> dict[str, bytes]:
    prefix = folder + "/"
    return {name.removeprefix(prefix): data for name, data in content.items() if name.startswith(prefix)}
