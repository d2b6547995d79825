"""Any scikit-learn estimator by its path, as an algorithm: `sklearn.svm:SVC`, without a line of glue."""

from __future__ import annotations

import importlib
import inspect
import warnings
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, create_model
from pydantic_core import PydanticCustomError

from assay.algorithms._sklearn import MODEL, SklearnAlgorithm
from assay.algorithms._skops import skops_io
from assay.batch import Batch
from assay.errors import Fault, SpecFault, raise_all
from assay.parts import CLASSIFICATION, Algorithm
from assay.spec.strict import Strict
from assay.vocabulary import Task

OURS = (
    "random_state",
    "n_jobs",
)  # from the experiment's seed and threads; elsewhere they would break one seed, one result
UNCHECKED = ("BinaryTree", "KDTree", "KDTree32", "KDTree64", "BallTree", "BallTree32", "BallTree64")


class _AnyEstimator(SklearnAlgorithm):
    """A scikit-learn estimator with its own settings."""

    kind: ClassVar[type[Any]]
    cost = 3.0

    def __init__(self, params: Strict | None = None) -> None:
        super().__init__(params)
        # Its settings, such as an epsilon, are told in the label's units, so these stay where float32 bears them.
        self.label_units = "own" if _needs_own_label(self.kind, self.params) else "own unless far"

    def estimator(self, batch: Batch, seed: int, threads: int) -> Any:
        """Return the estimator with its settings, our seed and our threads."""
        known = inspect.signature(self.kind).parameters
        ours = {name: value for name, value in zip(OURS, (seed, threads), strict=True) if name in known}
        return self.kind(**{name: getattr(self.params, name) for name in self.params.model_fields_set}, **ours)

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> Any:
        """Learn from every row of `batch`.

        Raises:
            SpecFault: the estimator refuses its settings, or holds what cannot be kept without a pickle.
        """
        from sklearn.utils._param_validation import InvalidParameterError

        try:
            fitted = super().fit(batch, seed, threads)
        except InvalidParameterError as error:
            raise SpecFault.at(f"{self.kind.__name__}.params", str(error)) from None
        # Said now, to the author of the experiment, rather than to whoever loads the model.
        asked = skops_io().get_untrusted_types(data=fitted.files()[MODEL])
        raise_all(SpecFault, (self._unkeepable(name) for name in asked if not self.allows(name)))
        return fitted

    def _unkeepable(self, type_name: str) -> Fault:
        fix = "set algorithm: brute" if "algorithm" in type(self).Params.model_fields else "choose another estimator"
        return Fault(self.kind.__name__, f"holds a {type_name}, which cannot be kept without a pickle", fix)

    def allows(self, type_name: str) -> bool:
        """Allow what scikit-learn itself defines as a class.

        A file can do harm by naming a function (that a transformer then calls) or something that a module of
        scikit-learn merely imported, such as `os.remove`. Neither is a class whose own home is in scikit-learn. Search
        trees are refused: their compiled nodes point into memory and cannot be checked from here.
        """
        module_name, _, name = type_name.rpartition(".")
        if module_name.split(".")[0] != "sklearn" or name in UNCHECKED:
            return False
        try:
            found = getattr(importlib.import_module(module_name), name, None)
        except ImportError:
            return False
        return inspect.isclass(found) and found.__module__.split(".")[0] == "sklearn" and found.__name__ == name


def adapted(estimator_class: type[Any]) -> type[Algorithm]:
    """Return the algorithm that is this estimator: its settings are the arguments of its constructor.

    Raises:
        SpecFault: it is neither a classifier nor a regressor.

    Example:
        >>> from sklearn.svm import SVC
        >>> sorted(adapted(SVC).tasks)
        [<Task.BINARY: 'binary'>, <Task.MULTICLASS: 'multiclass'>]
    """
    from sklearn.base import ClassifierMixin, RegressorMixin
    from sklearn.utils.validation import has_fit_parameter

    name = estimator_class.__name__
    if not issubclass(estimator_class, ClassifierMixin | RegressorMixin):
        raise SpecFault.at("", f"'{name}' neither classifies nor predicts numbers", "name a classifier or a regressor")
    classifies = issubclass(estimator_class, ClassifierMixin)
    members = {
        "__doc__": f"scikit-learn's {name}, as it is.",
        "__module__": __name__,
        "kind": estimator_class,
        "makes": (name,),
        "tasks": CLASSIFICATION if classifies else frozenset({Task.REGRESSION}),
        "weighable": has_fit_parameter(estimator_class, "sample_weight"),
        "Params": _settings(estimator_class),
    }
    made: type[Algorithm] = type(name, (_AnyEstimator,), members)
    return made


def _needs_own_label(estimator_class: type[Any], params: Strict) -> bool:
    """Whether a loss is for positive labels alone, or a link says what the label's zero means."""
    name = estimator_class.__name__
    losses = {
        getattr(params, setting, None) for setting in ("loss", "criterion") if setting in type(params).model_fields
    }
    positive = name in ("PoissonRegressor", "GammaRegressor", "TweedieRegressor", "TransformedTargetRegressor")
    return positive or bool(losses & {"poisson", "gamma"})


class _Settings(Strict):
    """The arguments of an estimator's constructor; their names may be any, also those that pydantic uses itself."""

    model_config = ConfigDict(protected_namespaces=(), arbitrary_types_allowed=True)


def _settings(estimator_class: type[Any]) -> type[Strict]:
    fields: dict[str, Any] = {}
    for name, argument in inspect.signature(estimator_class).parameters.items():
        if name in OURS or argument.kind in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL):
            continue
        default = ... if argument.default is argument.empty else argument.default
        fields[name] = (Annotated[Any, AfterValidator(partial(_allowed, estimator_class, name))], default)
    with warnings.catch_warnings():
        # An argument may be called `copy` like a method of pydantic's; values are read by field, so nothing breaks.
        warnings.filterwarnings("ignore", message="Field name .* shadows an attribute", category=UserWarning)
        made: type[Strict] = create_model("Params", __base__=_Settings, **fields)
    return made


def _allowed(estimator_class: type[Any], name: str, value: Any) -> Any:
    """Hold a setting against the limits that scikit-learn keeps beside the class."""
    from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints

    limits = getattr(estimator_class, "_parameter_constraints", {})
    try:
        validate_parameter_constraints(
            {name: limits[name]} if name in limits else {}, {name: value}, caller_name=estimator_class.__name__
        )
    except InvalidParameterError as error:
        expected = str(error).partition("must be ")[2].partition(". Got ")[0]
        raise PydanticCustomError("setting", "{expected}", {"expected": expected or str(error)}) from None
    return value
