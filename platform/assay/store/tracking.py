"""MLflow as the record of runs: an SQLite file in the storage by default, any tracking server by its URI.

It is fed from the events of a run and can be fed again at any time: when it is down, nothing of a run is lost.
MLflow takes seconds to import and to make its first database, so nothing here touches it before it is needed.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from assay.errors import ClusterFault
from assay.store import files

RUN_TAG, TRIAL_TAG = "assay.run", "assay.trial"
PARENT_TAG = "mlflow.parentRunId"  # how MLflow's pages nest runs
MAX_TRIALS = 60  # of a run, as nested runs: each costs MLflow about 25 ms
MAX_VALUE = 6_000  # characters of a parameter
MAX_EPOCHS = 100  # of a network, evenly from first to last
BATCH = 100  # entries of one kind that MLflow takes at once
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is for data
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # we catch up later; MLflow's seven retries would hold a run for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


@dataclass(frozen=True)
class TrialRecord:
    """One row of the leaderboard, as MLflow shows it below its run."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    epochs: Sequence[Mapping[str, float | None]] = ()  # of a network: what each gave


class Tracking:
    """A place where MLflow keeps runs; opened at the first use, and safe to use from several threads."""

    def __init__(self, uri: str | None, storage_root: Path) -> None:
        self.root = Path(storage_root).absolute()
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or _sqlite(self.root / "mlflow.db")
        self.is_server = urlsplit(self.uri).scheme not in ("sqlite", "file", "")
        self._client: Any = None
        self._turn = threading.Lock()

    @property
    def shown(self) -> str:
        """The URI without the password that it may hold."""
        return re.sub(r"//[^/@]*@", "//", self.uri)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever recorded here; told without making the database."""
        file = self.uri.removeprefix("sqlite:///")
        return file != self.uri and not Path(unquote(file)).exists()

    @property
    def artifacts(self) -> Path:
        """Where files go when there is no server that keeps them."""
        return self.root / "mlflow-artifacts"

    def warming(self) -> threading.Thread:
        """Start `warm` in a thread of its own, and return it."""
        with suppress(ImportError):  # scikit-learn asks for polars, which MLflow would be importing meanwhile
            importlib.import_module("polars")
        thread = threading.Thread(target=self.warm, daemon=True)
        thread.start()
        return thread

    def warm(self) -> None:
        """Import MLflow and make its database; meant for a thread of its own while something else runs.

        A failure is not told here: the first call that needs the database tells it.
        """
        try:
            self.client()
            importlib.import_module("mlflow.pyfunc")
        except ClusterFault:
            return

    def client(self) -> Any:
        """Return MLflow's client, its database made and open.

        Raises:
            ClusterFault: the server does not answer, or the database cannot be made.
        """
        with self._turn:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Any:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        alone = self._alone()
        if not self.is_server:  # no connection is kept: the file may be replaced, by a backup that is restored
            os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
        with self.told(), alone:
            client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            client.search_experiments(max_results=1)
            return client

    def _alone(self) -> AbstractContextManager[object]:
        """Return what keeps others from making the database at the same time: both would fail.

        A database in a storage that may only be read is there already, and reading it needs no turn.
        """
        if self.is_server:
            return nullcontext()
        if not self.is_empty and not files.may_write(self.root):
            return nullcontext()
        files.make_folder(self.root)
        return files.guard(self.root / "mlflow.guard")

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn any failure of MLflow into a fault that says that nothing is lost."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            said = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            raise ClusterFault.at(
                f"tracking {self.shown}",
                f"failed ({said})",
                "check that MLflow is up; nothing is lost, `assay resume RUN` records the run there later",
            ) from error

    def record_run(
        self,
        run_id: str,
        experiment: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        artifacts: Sequence[Path] = (),
        trials: Sequence[TrialRecord] = (),
        status: str = "FINISHED",
    ) -> str:
        """Write a run and its first MAX_TRIALS trials, or bring what is there up to date; return MLflow's run id.

        Raises:
            ClusterFault: MLflow failed; call again later.
        """
        client = self.client()
        with self.told():
            home = self._experiment(experiment)
            run = self.find(run_id, home) or client.create_run(home, run_name=run_id, tags={RUN_TAG: run_id})
            self._log(run, params or {}, metrics or {}, tags or {})
            for file in artifacts:
                client.log_artifact(run.info.run_id, str(file))
            self._nest(run, home, trials[:MAX_TRIALS])
            client.set_terminated(run.info.run_id, status)
            mlflow_id: str = run.info.run_id
            return mlflow_id

    def find(self, run_id: str, home: str) -> Any:
        """Return MLflow's run of our run in the experiment with the id `home`, or None."""
        found = self.client().search_runs([home], f"tags.`{RUN_TAG}` = '{run_id}'", max_results=1)
        return found[0] if found else None

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        client = self.client()
        known = client.get_experiment_by_name(name)
        if known is None:
            place = None if self.is_server else self.artifacts.as_uri()
            try:
                made: str = client.create_experiment(name, artifact_location=place)
                return made
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                known = client.get_experiment_by_name(name)  # another process was faster
        if known.lifecycle_stage == "deleted":
            client.restore_experiment(known.experiment_id)
        experiment_id: str = known.experiment_id
        return experiment_id

    def _log(self, run: Any, params: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Log what is new: MLflow refuses a parameter that changes, and keeps every value of a metric."""
        from mlflow.entities import Metric, Param, RunTag

        now_ms = int(time.time() * 1_000)
        new_params = [Param(key, str(value)[:MAX_VALUE]) for key, value in _named(params) if key not in run.data.params]
        new_metrics = [
            Metric(key, float(value), now_ms, 0) for key, value in _named(metrics) if run.data.metrics.get(key) != value
        ]
        new_tags = [RunTag(key, value) for key, value in tags.items() if run.data.tags.get(key) != value]
        for first in range(0, max(map(len, (new_params, new_metrics, new_tags))), BATCH):
            part = slice(first, first + BATCH)
            self.client().log_batch(run.info.run_id, new_metrics[part], new_params[part], new_tags[part])

    def _nest(self, run: Any, home: str, trials: Sequence[TrialRecord]) -> None:
        if not trials:
            return
        client, parent = self.client(), run.info.run_id
        there = client.search_runs([home], f"tags.`{PARENT_TAG}` = '{parent}'", max_results=1_000)
        known = {child.data.tags.get(TRIAL_TAG): child for child in there}
        for trial in trials:
            tags = {PARENT_TAG: parent, TRIAL_TAG: trial.name}
            child = known.get(trial.name) or client.create_run(home, run_name=trial.name, tags=tags)
            self._log(child, trial.params, trial.metrics, {})
            if trial.epochs and "epoch.loss" not in child.data.metrics:
                self._log_epochs(child, trial.epochs)
            if child.info.status != "FINISHED":
                client.set_terminated(child.info.run_id)

    def _log_epochs(self, run: Any, epochs: Sequence[Mapping[str, float | None]]) -> None:
        """Log what epochs gave as metrics whose step is the epoch."""
        from mlflow.entities import Metric

        now_ms, every = int(time.time() * 1_000), -(-len(epochs) // MAX_EPOCHS)
        shown = [place for place in range(len(epochs)) if place % every == 0 or place == len(epochs) - 1]
        found = [
            Metric(f"epoch.{name}", float(value), now_ms, place + 1)
            for place in shown
            for name, value in epochs[place].items()
            if value is not None
        ]
        for first in range(0, len(found), BATCH):
            self.client().log_batch(run.info.run_id, found[first : first + BATCH])


def _named(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the values under names that MLflow accepts."""
    return [(re.sub(r"[^\w\-./ ]", "_", key)[:250], value) for key, value in values.items()]


def _sqlite(file: Path) -> str:
    """Return the URI of a database file, whose path may hold signs that mean something in a URI.

    Example:
        >>> _sqlite(Path("/data/a%20b?/mlflow.db"))
        'sqlite:////data/a%2520b%3F/mlflow.db'
    """
    return f"sqlite:///{quote(str(file))}"
