"""The Python door: the same names as the experiment file, and DataFrames where a path may stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.spec import Experiment as Spec
from assay.spec import Located
from assay.store.runs import Storage
from assay.workflows import run as workflow
from assay.workflows.checking import checked, read_experiment

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from assay.model import Model

IN_MEMORY = "memory"


@dataclass(frozen=True)
class Result:
    """What a run gave; `json` holds what `assay run --json` prints."""

    json: dict[str, Any]

    @property
    def leaderboard(self) -> pd.DataFrame:
        """The leaderboard, best first, scores out of fold."""
        import pandas as pd

        return pd.DataFrame(self.json["leaderboard"])

    @property
    def test(self) -> dict[str, Any]:
        """Every metric on the test rows: score, low, high."""
        found: dict[str, Any] = self.json["test"]
        return found

    @property
    def model(self) -> Model:
        """The finished model, read from its folder and checked."""
        from assay.store import artifact

        return artifact.load(Storage(self.json["storage"]).open_run(self.json["run"]).model)


class Experiment:
    """An experiment, made of the same names as the experiment file.

    `data["train"]` and `data["test"]` may be paths, or DataFrames (pandas, polars), Arrow tables or Ray Datasets.

    Raises:
        SpecFault: every key that is unknown or has a wrong value.

    Example:
        >>> Experiment(experiment="churn", data={"train": "customers.csv", "label": "left"}).spec.split.test_fraction
        0.2
    """

    def __init__(self, **settings: Any) -> None:
        data = settings.get("data")
        self._memory: dict[str, Any] = {}
        if isinstance(data, Mapping):
            self._memory = {
                name: data[name]
                for name in ("train", "test")
                if name in data and not isinstance(data[name], str | list | None)
            }
            settings = {**settings, "data": {**data, **dict.fromkeys(self._memory, IN_MEMORY)}}
        self.spec: Spec = checked(Located("Experiment(…)", settings))

    @classmethod
    def from_file(cls, file: str | Path, preset: str | None = None) -> Experiment:
        """Read an experiment file, with another preset than its own when one is given."""
        made = cls.__new__(cls)
        made.spec, made._memory = read_experiment(file, preset), {}
        return made

    def run(self, storage: str | Path | None = None, *, quiet: bool = True) -> Result:
        """Run the experiment; `quiet=False` tells on stderr what it does.

        Raises:
            DataFault, ClusterFault, ArtifactFault: see `assay.errors`.
        """
        return _told(lambda session: workflow.start(self.spec, session), storage, quiet, self._memory)


def resume(run: str = "latest", storage: str | Path | None = None, *, quiet: bool = True) -> Result:
    """Take up a run that was interrupted."""
    return _told(lambda session: workflow.resume(run, session), storage, quiet, {})


def try_ensembles(
    ensembles: str | Path | Sequence[Any], run: str = "latest", storage: str | Path | None = None
) -> dict[str, Any]:
    """Score ensembles on what a run has stored, without a refit; returns what `assay ensemble --json` prints.

    `ensembles` is a YAML file or a list such as `["vote", {"name": "stack", "params": {"layers": 2}}]`.

    Raises:
        SpecFault, ArtifactFault: see `assay.errors`.
    """
    from assay.workflows import ensembling

    return ensembling.try_ensembles(Storage(storage).open_run(run), ensembles)


def load_model(reference: str, storage: str | Path | None = None) -> Model:
    """Return the model that NAME, NAME@ALIAS, NAME/VERSION or a folder stands for."""
    from assay.store import artifact
    from assay.workflows.models import resolve

    return artifact.load(resolve(reference, Storage(storage)).folder)


@dataclass(frozen=True)
class Predictions:
    """Predictions of rows, and the rows that could not be read.

    `table` holds `row`, `prediction` and `probability_CLASS` for each class; of a forecast the columns of each series,
    the time and `prediction`.
    """

    table: pa.Table
    errors: list[dict[str, Any]]  # of each row that could not be read: `row` and `error`

    def to_pandas(self) -> pd.DataFrame:
        """Return the predictions as a DataFrame."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame


def predict(
    model: str | Model,
    data: Any,
    storage: str | Path | None = None,
    *,
    on_error: str = "fail",
) -> Predictions:
    """Predict rows with a model.

    `model` is a model or what stands for one; `data` is a path, paths, a DataFrame (pandas, polars) or an Arrow table.
    `on_error` says what to do with rows that cannot be read: `fail`; `skip` leaves them out; `null` gives them no
    prediction. For files that do not fit into memory use `assay predict`, which writes to a file.

    Raises:
        SpecFault, DataFault, ArtifactFault: see `assay.errors`.
    """
    import pyarrow as pa

    from assay.workflows import predicting

    known = load_model(model, storage) if isinstance(model, str) else model
    how = predicting.on_error_of(on_error)
    paths = [str(data)] if isinstance(data, str | Path) else data
    if isinstance(paths, list | tuple):
        table = predicting.read(predicting.Source([str(path) for path in paths], on_error=how))
    else:
        from assay.engines.loading import from_memory

        table = from_memory(paths)
    blocks, bad = predicting.predicted(known, table, how)
    return Predictions(pa.concat_tables(blocks), [one.to_json() for one in bad])


def drift(
    model: str,
    data: Any = None,
    storage: str | Path | None = None,
    *,
    window: str | None = None,
    picture: str | Path | None = None,
) -> dict[str, Any]:
    """Hold new rows against the training rows of a model; returns what `assay drift --json` prints.

    `data` is a path, paths, a DataFrame (pandas, polars) or an Arrow table; the server's prediction log when left out.
    `picture` names an SVG file to draw to.

    Raises:
        SpecFault, DataFault, ArtifactFault: see `assay.errors`.
    """
    from assay.workflows import drift as workflow

    rows = [str(data)] if isinstance(data, str | Path) else data
    if rows is not None and not isinstance(rows, list | tuple):
        from assay.engines.loading import from_memory

        rows = from_memory(rows)
    found, judged = workflow.drift(model, rows, Storage(storage), window=window)
    if picture is not None:
        workflow.draw(judged, found, Path(picture))
    return found


def retrain(
    model: str,
    data: Any = None,
    storage: str | Path | None = None,
    *,
    window: str | None = None,
    submission: str | None = None,
    quiet: bool = True,
    **rule: float,
) -> dict[str, Any]:
    """Fit a model again on old and new rows and promote it if it is better; returns what `assay retrain --json` prints.

    `data` is a path, paths, a DataFrame (pandas, polars) or an Arrow table; the server's prediction log with the labels
    that came back when left out. The same `submission` again gives the recorded outcome, or goes on where a kill left
    it. `rule` are keys of `retrain` in the experiment file, such as `min_gain=0.02`.

    Raises:
        SpecFault, DataFault, ClusterFault, ArtifactFault: see `assay.errors`.
    """
    from assay.engines.loading import from_memory
    from assay.progress import Progress
    from assay.workflows.retraining import retrain as retraining

    rows = [str(data)] if isinstance(data, str | Path) else data
    if rows is not None and not isinstance(rows, list | tuple):
        rows = from_memory(rows)
    asked = retraining.Asked(model, rows, window, submission, rule=rule)
    with Progress(quiet) as progress:
        return retraining.retrain(asked, workflow.Session(Storage(storage), progress))


def explain(
    model: str | Model,
    data: Any,
    storage: str | Path | None = None,
    *,
    rows: int = 10,
    of: str | None = None,
    evaluations: int | None = None,
) -> list[dict[str, Any]]:
    """Explain the answers of a model to the first rows of data: contributions of columns that add up to each answer.

    `model` is a model or what stands for one; `data` is a path, paths, a DataFrame (pandas, polars) or an Arrow table.
    `of` is the class to explain, the predicted one when left out. More `evaluations` of the model for each row make
    smaller standard errors. Returns an explanation for each row, as `assay explain --json` prints it.

    Raises:
        SpecFault, DataFault, ArtifactFault: see `assay.errors`.
    """
    from assay.engines.loading import from_memory
    from assay.workflows import explaining

    paths = [str(data)] if isinstance(data, str | Path) else data
    given = paths if isinstance(paths, list | tuple) else from_memory(paths)
    told = explaining.explain(model, given, Storage(storage), num_rows=rows, of=of, evaluations=evaluations)
    found: list[dict[str, Any]] = told["explanations"]
    return found


def _told(work: Any, storage: str | Path | None, quiet: bool, memory: dict[str, Any]) -> Result:
    if quiet:
        return Result(work(workflow.Session(Storage(storage), memory=memory)))
    from assay.progress import Progress

    with Progress() as progress:
        return Result(work(workflow.Session(Storage(storage), progress, memory)))
