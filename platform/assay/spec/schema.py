"""The experiment file as frozen settings: every key, its type, its bounds, its default and what it means."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from assay.errors import did_you_mean
from assay.spec.layering import preset_names
from assay.spec.retraining import RetrainSpec
from assay.spec.spaces import from_yaml
from assay.spec.strict import Strict
from assay.spec.time_steps import parse_step
from assay.vocabulary import ColumnKind, Task

LARGEST_STEP = 1_000_000_000
DATE_PARTS = ({"%d"}, {"%m", "%b", "%B"}, {"%Y", "%y"})
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"


def _words(value: Any) -> Any:
    """Take `[-999, NA, null]`: YAML reads some words that mean missing as something else."""
    if not isinstance(value, list):
        return value
    return ["null" if word is None else str(word) if isinstance(word, int | float) else word for word in value]


class PartSpec(Strict):
    """A part by its key, with the settings to make it from; a bare string in YAML is the key alone."""

    name: str = Field(description="file name on the shelf, `module:Class`, or the path of a scikit-learn estimator")
    params: dict[str, Any] = Field(default_factory=dict, description="settings of the part; see `assay parts SHELF`")
    space: dict[str, Any] = Field(default_factory=dict, description="distributions to search instead of the part's own")

    @model_validator(mode="before")
    @classmethod
    def _bare_key(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("space")
    @classmethod
    def _known_distributions(cls, value: dict[str, Any]) -> dict[str, Any]:
        for form in value.values():
            from_yaml(form)
        return value


class DataSpec(Strict):
    """Where the rows are and which column is predicted."""

    train: str | list[str] = Field(description="file, folder, glob or list of them; local or any pyarrow.fs URI")
    label: str = Field(description="column to predict")
    test: str | list[str] | None = Field(None, description="rows kept for the test, when they are given as files")
    group: str | None = Field(None, description="column whose equal values never fall on both sides of a split")
    time: str | None = Field(None, description="column that orders the rows in time")
    format: Literal["csv", "parquet", "npz", "images"] | None = Field(
        None, description="told by the file's ending when left out"
    )
    encoding: str | None = Field(None, description="of CSV files, such as utf-8 or cp1252; detected when left out")
    header: Literal["first", "none", "detect"] | None = Field(
        None,
        description="of CSV files: names in the first row, none (columns are column_1, column_2, …), or whichever it "
        "looks like; left out, a file whose first row looks like data is refused",
    )
    skip_rows: int | None = Field(
        None, ge=0, le=10, description="rows below the header of CSV files that are no data; detected when left out"
    )
    broken: Literal["error", "skip"] = Field(
        "error", description="what to do with files that are no whole image, and with rows of text without a word"
    )
    missing_label: Literal["error", "drop"] = Field("error", description="what to do with rows without a label")
    missing_values: list[str] | None = Field(
        None,
        description="words that mean missing, in all columns and the label; left out, the usual ones of each column "
        "type: NA, ?, null, None, - and others in numbers and dates, NA and the like in categories, none in texts",
    )
    positive: str | None = Field(None, description="class that counts as positive; the rarer one when left out")

    @field_validator("positive", mode="before")
    @classmethod
    def _class_is_text(cls, value: Any) -> Any:
        """Take `positive: 1` and `positive: true`: classes are text, as everywhere."""
        return _class_name(value) if isinstance(value, bool | int | float) else value

    @field_validator("missing_values", mode="before")
    @classmethod
    def _words_are_text(cls, value: Any) -> Any:
        return _words(value)


class ColumnSpec(Strict):
    """What the author says of one column."""

    kind: ColumnKind | None = Field(None, description="inferred when left out")
    drop: bool = Field(False, description="leave the column out")
    also_missing: list[str] = Field(
        default_factory=list,
        description="words that mean missing in this column, besides the usual ones or those of `data.missing_values`",
    )
    decimal: Literal[".", ","] | None = Field(
        None,
        description="decimal sign of numbers that are text; the other sign, spaces and apostrophes then separate "
        "thousands, and currencies and percent signs are left out",
    )
    date_format: str | None = Field(
        None, description="how dates are written, such as %d/%m/%Y; a time of day may follow; ISO 8601 when left out"
    )
    max_side: int | None = Field(
        None, ge=4, le=1_024, description="pixels that the longer side of images is made smaller to; 64 when left out"
    )

    @field_validator("also_missing", mode="before")
    @classmethod
    def _words_are_text(cls, value: Any) -> Any:
        return _words(value)

    @field_validator("date_format")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        directives = set(re.findall("%.", value or ""))
        if value is not None and not all(directives & some for some in DATE_PARTS):
            raise ValueError("lacks a year, a month or a day; write it of %d, %m or %b, and %Y, such as %d/%m/%Y")
        return value


class ForecastSpec(Strict):
    """Values of one or many series to come; the rows are then one for each series and time, and `data.time` is set."""

    horizon: int = Field(ge=1, le=10_000, description="steps of time ahead of the last known value")
    season: int | None = Field(
        None, ge=1, le=100_000, description="steps after which the series does the same again; told by the step of time"
    )
    step: int | str | None = Field(
        None,
        description="time between neighbours: a number and a unit such as 15 minutes, 1 day, 1 business day or 1 "
        "month, or a whole number where times are numbers; told by the gaps between rows",
    )
    series: list[str] = Field(
        default_factory=list, description="columns whose values tell series apart; left out, all rows are one series"
    )
    known: list[str] = Field(
        default_factory=list, description="columns that are known in advance, such as holidays; no other is read"
    )
    gaps: Literal["error", "zero", "last"] = Field(
        "error", description="times and values that lack: refused, 0, or the value before; never one that comes later"
    )
    twice: Literal["error", "sum", "mean", "last"] = Field(
        "error", description="rows of one series and time: refused, or joined so"
    )
    short: Literal["error", "skip"] = Field(
        "error", description="series with too few values to forecast from: refused, or left out"
    )

    @field_validator("step")
    @classmethod
    def _is_step(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, int) and not 1 <= value <= LARGEST_STEP:
            raise ValueError(f"a step is 1 to {LARGEST_STEP:,}")
        if isinstance(value, str):
            parse_step(value)
        return value


class SeriesSpec(Strict):
    """Series in a long table, a row for each step; left out where each row holds a whole series as a list."""

    id: str = Field(description="column that says which series a step belongs to")
    time: str | None = Field(None, description="column that orders the steps; the order of the rows when left out")
    channels: list[str] = Field(min_length=1, description="columns of the numbers of a step")


class SplitSpec(Strict):
    """How rows are divided into folds and test rows."""

    name: str | None = Field(
        None, description="shuffled, stratified, by_group, by_time or rolling_origin; told by task and data"
    )
    folds: Literal["auto"] | Annotated[int, Field(ge=1, le=50)] = Field(
        "auto",
        description="parts of the training rows, each held out once; 1 holds a tenth out; told by rows and time budget",
    )
    repeats: Literal["auto"] | Annotated[int, Field(ge=1, le=20)] = Field(
        "auto", description="times that the rows are divided anew; more judge few rows better"
    )
    test_fraction: float = Field(
        0.2, ge=0.0, lt=0.9, description="share of rows kept for the test; unused with data.test"
    )


class SearchSpec(Strict):
    """How algorithms and hyperparameters are tried."""

    name: str = Field("auto", description="part of the shelf `searches`")
    trials: int = Field(40, ge=1, le=100_000, description="algorithms with one set of hyperparameters each")
    time_budget_s: float | None = Field(
        None, gt=0, description="wall-clock seconds from start to finalized model; trials that do not fit are skipped"
    )
    generation: int = Field(8, ge=1, le=1_000, description="trials proposed together; never taken from the machine")
    skip: list[Annotated[int, Field(ge=0)]] = Field(
        default_factory=list, description="numbers of trials not to fit; replays a run that had a time budget"
    )
    first: list[PartSpec] = Field(
        default_factory=list, description="algorithms with settings that are tried before all others, in order"
    )
    params: dict[str, Any] = Field(default_factory=dict, description="settings of the search part")


Workers = Annotated[int, Field(ge=1, le=1_024)]


class ComputeSpec(Strict):
    """What one fit may use, and where."""

    address: str | None = Field(None, description="Ray cluster to join; a local one is started when left out")
    cpus: int | None = Field(None, ge=1, description="CPUs of the local cluster; all of the machine when left out")
    threads_per_fit: int = Field(
        1, ge=1, le=256, description="threads of one fit; part of the result, so never guessed"
    )
    workers_per_fit: Workers | tuple[Workers, Workers] = Field(
        1, description="processes that train one network by Ray Train; [fewest, most] where a cluster grows and shrinks"
    )
    gpus_per_fit: float = Field(0.0, ge=0, le=8, description="GPUs of each worker of a network; 0.5 shares one")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="numbers that networks are trained in; auto: as each network says"
    )
    compile: bool = Field(False, description="whether networks pass `torch.compile` first; pays off in long fits")
    checkpoint_s: float = Field(
        60.0, gt=0, description="seconds after which a network's state is kept: so much at most is trained again"
    )
    warm_start: str | None = Field(
        None, description="model (NAME/VERSION or a folder) whose networks lend their weights to those of the same name"
    )
    warm_fits: Literal["all", "last"] = Field(
        "all", description="fits that begin with those weights; last: only the one on all training rows"
    )
    memory_fraction: float = Field(0.7, gt=0, le=0.95, description="share of Ray's object store that the data may fill")


class FinalSpec(Strict):
    """How the finished model is made from the leaderboard."""

    fit: Literal["auto", "all_rows", "folds"] = Field(
        "auto", description="members fitted again on all rows, or the mean of their folds' models; told by the folds"
    )
    choose: str | None = Field(None, description="row of the leaderboard to finalize; the best when left out")


class RegisterSpec(Strict):
    """How the finished model is remembered."""

    name: str | None = Field(None, pattern=NAME, description="model name; the experiment's when left out")
    promote: Literal["if_better", "always", "never"] = Field("if_better", description="when to become champion")
    tracking_uri: str | None = Field(
        None, description="MLflow server; when left out MLFLOW_TRACKING_URI, else an SQLite file in the storage"
    )


def _class_name(name: Any) -> str:
    return str(name).lower() if isinstance(name, bool) else str(name)


class Experiment(Strict):
    """A whole experiment file."""

    experiment: str = Field(pattern=NAME, description="name of the experiment; letters, digits and . _ -")
    preset: str | None = Field(
        None, exclude=True, description="settings to lie under those of this file: fast, balanced or best"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="the one number that all chance grows from")
    data: DataSpec
    kind: str | None = Field(None, description="part of the shelf `kinds`; told by the columns when left out")
    task: Task | None = Field(None, description="told by the label when left out")
    forecast: ForecastSpec | None = Field(None, description=str(ForecastSpec.__doc__))
    series: SeriesSpec | None = Field(None, description=str(SeriesSpec.__doc__))
    columns: dict[str, ColumnSpec] = Field(default_factory=dict, description="what you know better than inference")
    split: SplitSpec = SplitSpec()
    steps: Literal["auto"] | list[PartSpec] = Field("auto", description="preprocessing, in order")
    algorithms: Literal["auto"] | list[PartSpec] = Field("auto", min_length=1, description="what the search may try")
    search: SearchSpec = SearchSpec()
    ensembles: Literal["auto"] | list[PartSpec] = Field("auto", description="ways to combine the best trials")
    final: FinalSpec = FinalSpec()
    metric: str | None = Field(
        None, description="part of the shelf `metrics`; roc_auc, log_loss or rmse by task, mase of forecasts"
    )
    class_weight: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0, le=1e6)]] = Field(
        "none", description="what a row of a class counts while members learn; balanced: every class the same in all"
    )
    calibration: Literal["auto", "none", "temperature", "isotonic"] = Field(
        "auto", description="how the winner's probabilities are corrected, by its out-of-fold predictions"
    )
    threshold: Literal["auto"] | Annotated[float, Field(gt=0, lt=1)] = Field(
        "auto", description="probability above which the answer is the positive class, of two; see below"
    )
    compute: ComputeSpec = ComputeSpec()
    register_: RegisterSpec = Field(RegisterSpec(), alias="register")
    retrain: RetrainSpec = RetrainSpec()

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, value: str | None) -> str | None:
        if value is not None and value not in preset_names():
            raise ValueError(did_you_mean(value, preset_names()))
        return value

    @model_validator(mode="before")
    @classmethod
    def _forecasts(cls, value: Any) -> Any:
        """Fill in what a forecast means: numbers, judged by how much worse the seasonal naive forecast errs."""
        if not isinstance(value, dict) or value.get("forecast") is None:
            return value
        task = "regression" if value.get("task") == "forecast" else value.get("task") or "regression"
        return {**value, "task": task, "metric": value.get("metric") or "mase"}

    @model_validator(mode="before")
    @classmethod
    def _number_labels(cls, value: Any) -> Any:
        """Take a label whose column is declared numeric for a number to predict, however few values it has."""
        if not isinstance(value, dict) or value.get("task") is not None:
            return value
        data, columns = value.get("data"), value.get("columns")
        label = data.get("label") if isinstance(data, dict) else getattr(data, "label", None)
        told = columns.get(label) if isinstance(columns, dict) and isinstance(label, str) else None
        kind = told.get("kind") if isinstance(told, dict) else getattr(told, "kind", None)
        return {**value, "task": "regression"} if kind == ColumnKind.NUMERIC else value

    @field_validator("class_weight", mode="before")
    @classmethod
    def _classes_are_text(cls, value: Any) -> Any:
        """Take `{0: 1, 1: 5}`: classes are text, as everywhere."""
        return {_class_name(name): weight for name, weight in value.items()} if isinstance(value, dict) else value

    @property
    def model_name(self) -> str:
        """The name that the model is registered under."""
        return self.register_.name or self.experiment
