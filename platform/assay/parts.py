"""What a part is: the promises of each shelf. Everything in the house rests on this page; think twice here.

A part is made from checked settings (`Params`), does one thing to plain arrays, and knows nothing of Ray, of files or
of other parts. Contract tests read the shelves and hold every part to what is written here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa

from assay.batch import Batch
from assay.cells import BY_DEFAULT, MissingValues
from assay.profile import ColumnSummary, Profile
from assay.proposals import Candidate, Outcome, Proposal
from assay.spec.spaces import Space
from assay.spec.strict import Strict
from assay.vocabulary import ColumnKind, Task

Files = Mapping[str, bytes]  # relative name -> content: how anything fitted is kept, never as a pickle
Json = dict[str, Any]
ALL_TASKS = frozenset(Task)
CLASSIFICATION = frozenset({Task.BINARY, Task.MULTICLASS})
COST_ROWS, COST_FEATURES = 10_000, 20  # the table that `Algorithm.cost` speaks of


class Part:
    """One thing on a shelf, made from its settings."""

    class Params(Strict):
        """No settings."""

    tasks: ClassVar[frozenset[Task]] = ALL_TASKS

    def __init__(self, params: Strict | None = None) -> None:
        self.params: Any = params if params is not None else self.Params()


class Source(Part):
    """Reads rows from somewhere as a Ray Dataset; the only parts that may import Ray."""

    endings: ClassVar[tuple[str, ...]] = ()  # file endings that choose this source

    def read(self, paths: Sequence[str]) -> Any:
        """Return a lazy Ray Dataset of all rows of `paths` (files, folders, globs, URIs), in file and row order.

        Raises:
            DataFault: naming the file that is missing, empty or not what its ending says.
        """
        raise NotImplementedError

    def peek(self, paths: Sequence[str], num_rows: int) -> pa.Table:
        """Return about the first `num_rows` rows without starting Ray."""
        raise NotImplementedError


class Kind(Part):
    """Knows what rows of one kind of data look like: in files, in requests and as arrays."""

    def claims(self, table: pa.Table, label: str) -> bool:
        """Whether some rows look like this kind; tables take what no other claims."""
        return False

    def summarise(
        self, table: pa.Table, row_N: np.ndarray, seed: int, missing: MissingValues = BY_DEFAULT
    ) -> dict[str, ColumnSummary]:
        """Return a mergeable summary of each column of one block of rows."""
        raise NotImplementedError

    def profile(
        self,
        summaries: Mapping[str, ColumnSummary],
        label: str,
        task: Task | None,
        declared: Mapping[str, Any],
        positive: str | None,
        missing: MissingValues = BY_DEFAULT,
    ) -> Profile:
        """Turn the merged summaries into a profile: infer what was not declared, drop what cannot help.

        Raises:
            DataFault: with every fault found (infinite values, a label that cannot be learned, no column left).
        """
        raise NotImplementedError

    def to_batch(self, table: pa.Table, profile: Profile, row_N: np.ndarray | None = None) -> Batch:
        """Return canonical columns, and the label when the table has it; order and number of rows stay.
        The server calls this with the rows of a request. Columns may come in any order; unknown ones are ignored.
        `row_N` are the ids of the rows, 0, 1, 2, … when left out.

        Raises:
            DataFault: naming each column that is missing or holds another type than in training, and the first bad row.
        """
        raise NotImplementedError

    def as_request(self, table: pa.Table, profile: Profile) -> list[Json]:
        """Return rows as a client sends them, JSON by column; `to_batch` makes the same arrays of them."""
        raise NotImplementedError

    def default_steps(self, wants: str) -> tuple[str, ...]:
        """Return the keys of the steps that feed algorithms which want "codes", "dense" or "raw" columns."""
        raise NotImplementedError


class Split(Part):
    """Divides rows: a function of the seed, the row ids and one guiding column, so it needs no shuffle."""

    needs: ClassVar[str] = ""  # "", "label", "group" or "time": what `guide_N` holds

    def test_rows(self, row_N: np.ndarray, guide_N: np.ndarray | None, fraction: float, seed: int) -> np.ndarray:
        """Return a mask of the rows to keep for the test."""
        raise NotImplementedError

    def folds(self, row_N: np.ndarray, guide_N: np.ndarray | None, num_folds: int, seed: int) -> np.ndarray:
        """Return the fold, 0 to num_folds - 1, in which each row is held out; NO_FOLD for rows that never are."""
        raise NotImplementedError

    def train_rows(self, fold_N: np.ndarray, fold: int) -> np.ndarray:
        """Return a mask of the rows that a model judged on `fold` may learn from."""
        return np.asarray(fold_N != fold)


class Step(Part):
    """Changes columns: learns plain data from training rows, then applies it to any rows, in the server too.
    measure (a block) -> merge (blocks) -> finish (once) -> apply (any rows)
    """

    takes: ClassVar[frozenset[ColumnKind]]  # kinds of columns it changes; the others pass through
    looks_at_label: ClassVar[bool] = False  # then it, and every step after it, is learned inside each fit

    def columns(self, batch: Batch) -> list[str]:
        """Return the names of the columns it changes, told from their meaning alone; the step is left out if none."""
        return batch.names(*self.takes)

    def measure(self, batch: Batch) -> Json:
        """Return what a block of training rows says, as JSON that `merge` can join."""
        return {}

    def merge(self, states: Sequence[Json]) -> Json:
        """Return what all blocks say together."""
        return states[0]

    def finish(self, state: Json) -> Json:
        """Return what `apply` reads, made once from what all blocks say; JSON that is kept with the model."""
        return state

    def apply(self, state: Json, batch: Batch) -> Batch:
        """Return the changed batch; pure, row by row, never writes into its input."""
        raise NotImplementedError

    def learn(self, batch: Batch, seed: int) -> tuple[Json, Batch]:
        """Return what `apply` reads, and the training rows themselves as a model should see them.

        A step that looks at the label overrides it, and never shows a row its own label.
        """
        state = self.finish(self.merge([self.measure(batch)]))
        return state, self.apply(state, batch)


class Fitted(Protocol):
    """A model that learned; knows how to predict and how to be kept without a pickle."""

    @property
    def facts(self) -> Mapping[str, float]:
        """What fitting settled, such as the number of trees after early stopping."""

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK: probabilities of K classes that sum to 1, or one column of numbers."""

    def files(self) -> Files:
        """Return the content that `Algorithm.load` reads."""


class Algorithm(Part):
    """Learns from a batch."""

    kinds: ClassVar[frozenset[str]] = frozenset({"tabular"})
    wants: ClassVar[str] = "dense"  # one-hot, scaled, none missing; or "codes" and NaN; or "raw": images, texts as is
    space: ClassVar[Space] = {}  # what the search may draw
    portfolio: ClassVar[Sequence[Json]] = ({},)  # strong settings to try first, the cheapest first
    hurried: ClassVar[Json] = {}  # settings for the first try on a holdout: many rows in little time
    strong: ClassVar[bool] = True  # wins tables; the others make ensembles more diverse and are tried after these
    cost: ClassVar[float] = 1.0  # rough seconds of one core for 10,000 rows x 20 features and two classes
    row_cap: ClassVar[int | None] = None  # more training rows than this are sampled down, stratified, and it is said
    libraries: ClassVar[tuple[str, ...]] = ()  # modules to import before the first fit
    optional: ClassVar[str] = ""  # package that must be installed for this part, empty when always there
    weighable: ClassVar[bool] = True  # whether it learns from `Batch.weight_N`
    label_units: str = "deviations"  # that numbers are learned in; "own", as for a Poisson loss, or "own unless far"

    def warm(self) -> None:
        """Import what fitting, loading and predicting take, before a fit is timed or a model is waited for."""
        for name in self.libraries:
            importlib.import_module(name)

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> Fitted:
        """Learn from every row of `batch` (label present, maybe weights); the same seed gives the same model."""
        raise NotImplementedError

    def load(self, files: Files) -> Fitted:
        """Read what `Fitted.files` returned; checks it, since it may come from a stranger.

        Raises:
            ArtifactFault: the content is not what this algorithm writes.
        """
        raise NotImplementedError

    @classmethod
    def cost_of(cls, num_rows: int, num_features: int, num_classes: int) -> float:
        """Return rough seconds of one core for a fit of these rows with the defaults; 0 classes are regression.
        Never measured at run time: what is tried first must not depend on the machine. Rows above `row_cap` are free.
        """
        rows = num_rows if cls.row_cap is None else min(num_rows, cls.row_cap)
        return cls.cost * (rows / COST_ROWS) * (num_features / COST_FEATURES)

    def settled(self, facts: Sequence[Mapping[str, float]]) -> Algorithm:
        """Return the algorithm for a last fit on all rows, given what the fits on the folds settled."""
        return self


@dataclass(frozen=True)
class Evidence:
    """What members said about training rows they had not seen: all that an ensemble may learn from; the best first."""

    names: tuple[str, ...]
    prediction_MNK: np.ndarray  # float32
    y_N: np.ndarray
    fold_N: np.ndarray
    task: Task
    metric: Metric
    learners: tuple[tuple[str, Json], ...] = ()  # of each member: its algorithm and the settings of a fit on all rows
    num_features: Mapping[str, int] = field(default_factory=dict)  # columns of an algorithm's matrix, if `grows`
    columns: Mapping[str, Batch] = field(default_factory=dict)  # the same rows by `Ensemble.reads`, where one asks

    def rows(self, mask_N: np.ndarray) -> Evidence:
        """Return the evidence on some rows only, given as a mask or as positions."""
        return replace(
            self,
            prediction_MNK=self.prediction_MNK[:, mask_N],
            y_N=self.y_N[mask_N],
            fold_N=self.fold_N[mask_N],
            columns={reads: batch.take(mask_N) for reads, batch in self.columns.items()},
        )


@dataclass(frozen=True)
class Call:
    """A job: a pure function of the evidence that runs in an actor. `function` lives at a module's top level."""

    function: Callable[..., Any]
    arguments: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """A job: fit an algorithm on what `Ensemble.inputs` makes of the evidence; its result is the fitted model."""

    algorithm: str
    params: Json
    seed: int


@dataclass(frozen=True, eq=False)
class Grow:
    """A job: fit an algorithm on the training rows, as a member of the ensemble; its result is a `Grown`.
    Arrays of length N are about the rows of the evidence, in its order.
    """

    algorithm: str
    params: Json
    seed: int
    row_n: np.ndarray | None = None  # positions of the rows to learn from, with repetition; all when None
    feature_n: np.ndarray | None = None  # columns of the algorithm's matrix, ascending; all when None
    weight_N: np.ndarray | None = None
    target_N: np.ndarray | None = None  # numbers to learn in place of the label
    name: str = ""  # on the leaderboard: the trial whose learner it is; the algorithm's key when empty
    quiet: bool = False  # the ensemble does without the member's predictions for the rows that it knows


Job = Call | Fit | Grow


@dataclass(frozen=True, eq=False)
class Grown:
    """A member that was fitted for an ensemble: what was ordered, without its arrays, and what came of it.
    The driver fills in the last fields, which the generator never sees: rows that it may not know, measured time.
    """

    name: str
    algorithm: str
    params: Json
    features: tuple[int, ...] | None
    prediction_NK: np.ndarray  # float32, for the rows of the evidence; none of them when the order was quiet
    number: int = 0  # in the order in which members were asked for
    fitted: Fitted | None = None  # sealed; only where the ensemble learned from all rows
    judged_nK: np.ndarray | None = None  # for the fold that was left out, or else for the rows that prove the model
    fit_s: float = 0.0
    predict_us_per_row: float = 0.0
    num_rows: int = 0

    def without_predictions(self) -> Grown:
        """Return it without its largest array."""
        return replace(self, prediction_NK=np.zeros((0, self.prediction_NK.shape[1]), np.float32))


@dataclass(frozen=True)
class Learned:
    """What an ensemble learned: plain numbers, fitted models by name, and the members that it had fitted, in order."""

    values: Json = field(default_factory=dict)
    models: Mapping[str, tuple[Fit, Fitted]] = field(default_factory=dict)
    grown: tuple[Grown, ...] = ()


class Ensemble(Part):
    """Combines members; written as a generator that asks for jobs and is sent their results.
    It knows no actors: `engines/fleet.py` runs the jobs of one round in parallel, `local_fleet.py` in one process.
    One that `grows` has members fitted for it on training rows (`Grow`); its evidence has no trials: M is 0.
    """

    grows: ClassVar[bool] = False  # fits new members, so it needs the training rows and not only the evidence
    doubted: ClassVar[bool] = False  # refused when it is worse, out of fold, than the best member it was given

    def learners(self, task: Task) -> Sequence[str]:
        """Return the keys of the algorithms that its settings name as learners of members.

        Raises:
            SpecFault: one is not for the task, not installed or wrongly set; at places such as `params.learner`.
        """
        return ()

    @property
    def reads(self) -> str:
        """What it reads beside the members' predictions: columns as an algorithm `wants` them, or nothing ("")."""
        return ""

    def rounds(self, evidence: Evidence, seed: int) -> Generator[Sequence[Job], Sequence[Any], Learned]:
        """Yield lists of jobs, receive the list of their results, return what was learned."""
        raise NotImplementedError

    def inputs(self, prediction_MNK: np.ndarray, y_N: np.ndarray | None = None) -> Batch:
        """Return the batch that a `Fit` job learns from; only ensembles that ask for such jobs have it."""
        raise NotImplementedError

    def combine(self, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
        """Return prediction_NK from the members' predictions on any rows; pure, the server runs it.
        The members are those that `used` names, or those in `Learned.grown`; a loaded model has the values only.
        """
        raise NotImplementedError

    def combine_rows(self, learned: Learned, prediction_MNK: np.ndarray, batch: Batch | None) -> np.ndarray:
        """Return `combine` for ensembles that also read columns: `batch` holds those that `reads` names."""
        return self.combine(learned, prediction_MNK)

    def used(self, learned: Learned, num_members: int) -> list[int]:
        """Return the positions of the members that `combine` needs; it is then given only those, in order."""
        return list(range(num_members))

    def partial(self, learned: Learned, present_m: Sequence[int]) -> Learned | None:
        """Return what joins the members at `present_m` alone; None: the mean of those stands in for the others."""
        return None


class Metric(Part):
    """A score of predictions, from scikit-learn."""

    greater_is_better: ClassVar[bool] = True
    best: ClassVar[float] = 1.0  # the score of a perfect prediction
    of_decisions: ClassVar[bool] = False  # whether it judges the class that is decided, not the probabilities

    def score(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None = None) -> float:
        """Return the score; `weight_N` counts each row that often."""
        raise NotImplementedError

    def resampled(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_BN: np.ndarray) -> np.ndarray:
        """Return score_B for B resamples given as row counts; parts that can do it in one pass override this."""
        return np.array([self.score(y_N, prediction_NK, weight_N) for weight_N in weight_BN])

    def gain(self, score: float | np.ndarray) -> Any:
        """Return the score turned so that more is better."""
        return score if self.greater_is_better else -score


class Search(Part):
    """Proposes trials, a generation at a time, from outcomes of generations that ended before, whatever the CPUs."""

    def propose(
        self, candidates: Sequence[Candidate], known: Sequence[Outcome], first: int, count: int, seed: int
    ) -> list[Proposal]:
        """Return the proposals for trials `first` to `first + count - 1`; `known` is in trial order."""
        raise NotImplementedError

    def bars(self, known: Sequence[Outcome], num_folds: int) -> list[float]:
        """Return, per fold, the mean gain so far below which a stoppable trial is hopeless (-inf: none)."""
        return [float("-inf")] * num_folds
