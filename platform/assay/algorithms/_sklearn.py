"""What every scikit-learn model shares: fitting with pinned threads, aligned probabilities, files without a pickle.

A model on top of this is an `estimator` and its settings. Files are skops' format: types by name, arrays by value.
Which types a file may ask for is written in our classes (`makes`, `trusted`), never read from the file.
"""

from __future__ import annotations

import importlib
import json
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from assay.algorithms._skops import skops_io
from assay.algorithms._threads import pinned
from assay.algorithms._trees import tree_faults
from assay.batch import Batch
from assay.errors import ArtifactFault, Fault, SpecFault, raise_all
from assay.parts import Algorithm, Files

TREE = "sklearn.tree._tree.Tree"  # checked by `tree_faults`
ONE_CLASS = "sklearn.dummy.DummyClassifier"  # what a fold with one class alone is fitted with
MODEL, SHAPE = "model.skops", "shape.json"


class SklearnAlgorithm(Algorithm):
    """An algorithm that is one scikit-learn estimator."""

    makes: ClassVar[tuple[str, ...]]  # class names that `estimator` may return
    trusted: ClassVar[tuple[str, ...]] = ()  # every type of scikit-learn that its files hold

    def warm(self) -> None:
        """Import scikit-learn and skops."""
        importlib.import_module("sklearn.ensemble")  # and with it most of what the others need
        skops_io()

    def estimator(self, batch: Batch, seed: int, threads: int) -> Any:
        """Return the unfitted estimator for this batch."""
        raise NotImplementedError

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> FittedSklearn:
        """Learn from every row of `batch`.

        Raises:
            SpecFault: the rows have weights and the estimator cannot use them.
        """
        from sklearn.exceptions import ConvergenceWarning

        fit_settings = self._weights(batch)
        with pinned(threads), warnings.catch_warnings():
            # Stopping after max_iter rounds is a setting, and the search judges the result like any other.
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator = self._checked_estimator(batch, seed, threads)
            estimator.fit(batch.matrix(), batch.label_N, **fit_settings)
        if "n_jobs" in estimator.get_params(deep=False):
            # Forests add up their trees in the order in which threads end; one thread predicts the same bits always.
            estimator.set_params(n_jobs=None)
        return FittedSklearn(estimator, batch.num_classes)

    def _checked_estimator(self, batch: Batch, seed: int, threads: int) -> Any:
        from sklearn.dummy import DummyClassifier

        if batch.num_classes and (batch.label_N == batch.label_N[0]).all():
            return DummyClassifier()  # a fold of a rare class may hold one class only; most estimators refuse that
        return self.estimator(batch, seed, threads)

    def _weights(self, batch: Batch) -> dict[str, np.ndarray]:
        if batch.weight_N is None:
            return {}
        if not self.weighable:
            raise SpecFault.at(
                type(self).__name__, "cannot learn from weighted rows", "leave this algorithm out, or the weights"
            )
        return {"sample_weight": batch.weight_N}

    def load(self, files: Files) -> FittedSklearn:
        """Read a fitted estimator; every type in the file must be one that this algorithm writes.

        Raises:
            ArtifactFault: a file is missing or broken, asks for a type that is not on the list, or holds a tree that
                points outside itself.
        """
        num_classes = _num_classes(files)
        estimator = _unpacked(files, self.allows)
        raise_all(ArtifactFault, self._faults(estimator, num_classes))
        return FittedSklearn(estimator, num_classes)

    def allows(self, type_name: str) -> bool:
        """Whether a file may hold this type, which skops does not trust by itself."""
        return type_name in (*self.trusted, ONE_CLASS)

    def _faults(self, estimator: Any, num_classes: int) -> list[Fault]:
        kind = type(estimator)
        if kind.__name__ not in (*self.makes, "DummyClassifier") or not kind.__module__.startswith("sklearn."):
            return [Fault(MODEL, f"holds a {kind.__name__}, {type(self).__name__} makes {' or '.join(self.makes)}")]
        found = [Fault(MODEL, text) for text in tree_faults(estimator)]
        if num_classes:
            class_C = np.asarray(getattr(estimator, "classes_", ()))
            whole = class_C.dtype.kind == "i" and class_C.ndim == 1 and 0 < len(class_C) <= num_classes
            if not whole or class_C.min() < 0 or class_C.max() >= num_classes:
                found.append(Fault(MODEL, f"does not know classes 0 to {num_classes - 1}"))
        elif not hasattr(estimator, "predict") or hasattr(estimator, "classes_"):
            found.append(Fault(MODEL, "does not predict numbers"))
        return found


@dataclass
class FittedSklearn:
    """A fitted scikit-learn estimator that predicts a column for each class, also for those it never saw."""

    estimator: Any
    num_classes: int  # 0 for regression
    facts: Mapping[str, float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        prediction_NK = np.zeros((len(batch), max(self.num_classes, 1)))
        if not len(batch):
            return prediction_NK
        with pinned(1):
            if self.num_classes:
                prediction_NK[:, self.estimator.classes_] = probabilities(self.estimator, batch.matrix())
            else:
                prediction_NK[:, 0] = np.ravel(self.estimator.predict(batch.matrix()))
        return prediction_NK

    def files(self) -> Files:
        """Return the estimator in skops' format and the number of classes."""
        # Squeezed a little: trees shrink to a third in about the time that writing the rest would take.
        model = skops_io().dumps(self.estimator, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
        return {MODEL: model, SHAPE: json.dumps({"num_classes": self.num_classes}).encode()}


def probabilities(estimator: Any, x_NF: np.ndarray) -> np.ndarray:
    """Return probability_NC in the order of `classes_`.

    An estimator without probabilities gets the softmax of its decision function (the logistic function for two
    classes), which keeps the order of rows but is not calibrated; one without both gives 1 to its decision.
    """
    from scipy.special import expit, softmax

    if hasattr(estimator, "predict_proba"):
        probability_NC: np.ndarray = estimator.predict_proba(x_NF)
        return probability_NC
    if hasattr(estimator, "decision_function"):
        decision = estimator.decision_function(x_NF).astype(np.float64)
        if decision.ndim == 1:
            return np.column_stack([expit(-decision), expit(decision)])
        spread_NC: np.ndarray = softmax(decision, axis=1)
        return spread_NC
    sure_NC: np.ndarray = (estimator.predict(x_NF)[:, None] == estimator.classes_).astype(np.float64)
    return sure_NC


def _num_classes(files: Files) -> int:
    try:
        num_classes = json.loads(files[SHAPE])["num_classes"]
    except (KeyError, ValueError, TypeError) as error:
        raise ArtifactFault.at(
            SHAPE, f"is missing or broken ({error})", "take the model from where it was made"
        ) from None
    if type(num_classes) is not int or not 0 <= num_classes <= 1_000_000 or num_classes == 1:
        raise ArtifactFault.at(SHAPE, f"says {num_classes!r} classes", "take the model from where it was made")
    return num_classes


def _unpacked(files: Files, allows: Any) -> Any:
    skops = skops_io()
    from skops.io.exceptions import UnsupportedTypeException, UntrustedTypesFoundException

    try:
        asked = skops.get_untrusted_types(data=files[MODEL])
        refused = [name for name in asked if not allows(name)]
        if refused:
            raise ArtifactFault.at(MODEL, f"asks for types that this algorithm does not write: {', '.join(refused)}")
        return skops.loads(files[MODEL], trusted=asked)
    except (
        *(KeyError, IndexError, ValueError, TypeError, AttributeError, ImportError, EOFError, OSError, RuntimeError),
        *(zipfile.BadZipFile, zlib.error, struct.error, UntrustedTypesFoundException, UnsupportedTypeException),
    ) as error:
        raise ArtifactFault.at(
            MODEL, f"is missing or broken ({type(error).__name__}: {error})", "take the model from where it was made"
        ) from None
