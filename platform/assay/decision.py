"""From what the members say to what a person gets: calibrated probabilities, and the class that is decided.

Both are plain numbers, learned from out-of-fold predictions by `evaluation` and kept in `model.json`. Every door
applies them through `Model`, so a served answer, a file of predictions and `mlflow.pyfunc` agree.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from assay.errors import ArtifactFault, Fault
from assay.spec.strict import Strict

MAX_KNOTS = 100_000
SMALLEST = 1e-12
Shares = tuple[Annotated[float, Field(ge=0, le=1)], ...]


class Temperature(Strict):
    """Logarithms of the probabilities times a slope, plus a bias for each class; for two classes Platt's sigmoid.

    `floor` is added to a probability before its logarithm: 0 has none, and a member that says 0 is seldom that sure.
    Two classes: rows keep their order, so what depends on order alone, such as roc_auc, stays. More classes: with
    equal biases each row keeps the order of its classes.

    Source: Platt 1999, "Probabilistic outputs for support vector machines"; Guo et al. 2017, "On calibration of modern
    neural networks", ICML.

    Example:
        >>> Temperature(slope=0.5, bias=(0, 0), floor=1e-6).apply(np.array([[0.1, 0.9]])).round(2).tolist()
        [[0.25, 0.75]]
    """

    method: Literal["temperature"] = "temperature"
    slope: float = Field(gt=0, le=1e3)  # 1 / temperature; below 1 where the members are too sure
    bias: tuple[Annotated[float, Field(ge=-1e3, le=1e3)], ...] = Field(min_length=2)  # one for each class
    floor: float = Field(ge=1e-12, le=1)

    def apply(self, prediction_NK: np.ndarray) -> np.ndarray:
        """Return probability_NK, float64."""
        from scipy.special import expit, softmax

        score_NK = self.slope * logarithms(prediction_NK, self.floor) + np.array(self.bias)
        if score_NK.shape[1] == 2:
            logit_N = score_NK[:, 1] - score_NK[:, 0]
            return np.column_stack([expit(-logit_N), expit(logit_N)])
        spread_NK: np.ndarray = softmax(score_NK, axis=1)
        return spread_NK

    def fits(self, num_classes: int) -> bool:
        """Whether it is for this number of classes."""
        return len(self.bias) == num_classes


class Curve(Strict):
    """A rising line through knots: from a probability as it was said to the share that came true."""

    said: Shares = Field(min_length=1, max_length=MAX_KNOTS)
    true: Shares = Field(min_length=1, max_length=MAX_KNOTS)

    @model_validator(mode="after")
    def _rising(self) -> Curve:
        if len(self.said) != len(self.true):
            raise ValueError("as many knots on one side as on the other")
        if (np.diff(self.said) <= 0).any() or (np.diff(self.true) < 0).any():
            raise ValueError("knots in rising order")
        return self


class Isotonic(Strict):
    """A rising curve for each class, then each row scaled to sum to 1; for two classes the curve of the second.

    Rows on a flat piece of the curve get the same probability: it makes ties, and roc_auc can fall a little.

    Source: Zadrozny and Elkan 2002, "Transforming classifier scores into accurate multiclass probability estimates",
    KDD.

    Example:
        >>> half = Isotonic(curves=(Curve(said=(0.0, 1.0), true=(0.25, 0.75)),))
        >>> half.apply(np.array([[1.0, 0.0], [0.5, 0.5]])).tolist()
        [[0.75, 0.25], [0.5, 0.5]]
    """

    method: Literal["isotonic"] = "isotonic"
    curves: tuple[Curve, ...] = Field(min_length=1)

    def apply(self, prediction_NK: np.ndarray) -> np.ndarray:
        """Return probability_NK, float64."""
        first = prediction_NK.shape[1] - len(self.curves)
        share_NC = np.column_stack(
            [
                np.interp(prediction_NK[:, first + place], curve.said, curve.true)
                for place, curve in enumerate(self.curves)
            ]
        )
        if len(self.curves) == 1:
            return np.column_stack([1.0 - share_NC[:, 0], share_NC[:, 0]])
        share_NC = np.maximum(share_NC, SMALLEST)  # a row may lie at 0 on every curve
        spread_NK: np.ndarray = share_NC / share_NC.sum(axis=1, keepdims=True)
        return spread_NK

    def fits(self, num_classes: int) -> bool:
        """Whether it is for this number of classes."""
        return len(self.curves) == (1 if num_classes == 2 else num_classes)


Calibration = Temperature | Isotonic
_ANY_CALIBRATION: TypeAdapter[Calibration] = TypeAdapter(Annotated[Calibration, Field(discriminator="method")])


class Decision(Strict):
    """Which class is the answer: the one whose probability, times its weight, is the greatest; the first of equals.

    Example:
        >>> Decision.at_threshold(0.2).weighed(np.array([[0.7, 0.3], [0.9, 0.1]])).argmax(axis=1).tolist()
        [1, 0]
    """

    weights: tuple[Annotated[float, Field(gt=0, le=1e12)], ...] = Field(min_length=2)  # one for each class

    @classmethod
    def at_threshold(cls, threshold: float) -> Decision:
        """Return the decision for the second of two classes from a probability above `threshold` on."""
        return cls(weights=(threshold, 1.0 - threshold))

    @property
    def threshold(self) -> float | None:
        """The probability above which the second of two classes is the answer; None for more classes."""
        return self.weights[0] / (self.weights[0] + self.weights[1]) if len(self.weights) == 2 else None

    def weighed(self, prediction_NK: np.ndarray) -> np.ndarray:
        """Return the probabilities times the weights: no probabilities, but their greatest is the answer."""
        weighed_NK: np.ndarray = prediction_NK * np.array(self.weights)
        return weighed_NK

    def fits(self, num_classes: int) -> bool:
        """Whether it is for this number of classes."""
        return len(self.weights) == num_classes


def logarithms(prediction_NK: np.ndarray, floor: float) -> np.ndarray:
    """Return the logarithm of each probability plus `floor`, float64 and finite.

    Of two columns the first is worked out from the second: members in float32 sum to 1 only nearly, and the order of
    rows is that of the second.
    """
    prediction_NK = prediction_NK.astype(np.float64, copy=False)
    if prediction_NK.shape[1] == 2:
        prediction_NK = np.column_stack([1.0 - prediction_NK[:, 1], prediction_NK[:, 1]])
    log_NK: np.ndarray = np.log(np.maximum(prediction_NK, 0.0) + floor)
    return log_NK


def read_calibration(plain: Any, num_classes: int) -> Calibration | None:
    """Return the calibration that `model_dump` wrote, None for None.

    Raises:
        ArtifactFault: it is not one, or not for this number of classes.
    """
    return None if plain is None else _checked("calibration", _ANY_CALIBRATION.validate_python, plain, num_classes)


def read_decision(plain: Any, num_classes: int) -> Decision | None:
    """Return the decision that `model_dump` wrote, None for None.

    Raises:
        ArtifactFault: it is not one, or not for this number of classes.
    """
    return None if plain is None else _checked("decision", Decision.model_validate, plain, num_classes)


def _checked(name: str, read: Any, plain: Any, num_classes: int) -> Any:
    try:
        found = read(plain)
    except ValidationError as error:
        raise ArtifactFault(
            *(
                Fault(f"model.json {'.'.join(map(str, (name, *item['loc'])))}", item["msg"].rstrip("."))
                for item in error.errors()
            )
        ) from None
    if not found.fits(num_classes):
        raise ArtifactFault.at(f"model.json {name}", f"is not for {num_classes} classes")
    return found
