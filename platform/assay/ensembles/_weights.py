"""Weights of members: as given in the file, or learned on the simplex from what the members said out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import ValidationInfo

from assay.ensembles._selection import error_products, metric_gains, right_probabilities, select, thinned
from assay.parts import Evidence, Learned

EQUAL, LEARNED = "equal", "learned"
NEGLIGIBLE = 1e-3  # a learned weight below it is noise of the solver
NUM_DRAWS = 50  # of weights learned by the metric, so multiples of 0.02


def checked_weights(value: Any, info: ValidationInfo) -> str | list[float]:
    """Return the setting `weights`, or say what is wrong with it; `members` is declared before it."""
    if value in (EQUAL, LEARNED):
        return str(value)
    numbers = value if isinstance(value, list | tuple) else []
    if not numbers or not all(isinstance(entry, int | float) and not isinstance(entry, bool) for entry in numbers):
        raise ValueError(f"write {EQUAL}, {LEARNED}, or a list of numbers, one for each of the best members")
    if not np.isfinite(numbers).all() or min(numbers) < 0 or max(numbers) == 0:
        raise ValueError("weights are finite and not negative, and one is more than 0")
    members = info.data.get("members", len(numbers))
    if len(numbers) != members:
        raise ValueError(f"give as many weights as members: write `members: {len(numbers)}`, or {members} weights")
    return [float(entry) for entry in numbers]


def normalised(weights: Sequence[float], num_members: int) -> list[float]:
    """Return weights that sum to 1 for the members that there are, equal ones where all that count are missing.

    Example:
        >>> normalised([3.0, 1.0, 4.0], 2)
        [0.75, 0.25]
    """
    weight_M = np.array(weights[:num_members])
    if not weight_M.sum():
        weight_M = np.ones(num_members)
    found: list[float] = (weight_M / weight_M.sum()).tolist()
    return found


def of_present(learned: Learned, present_m: Sequence[int]) -> Learned:
    """Return the weights of the members at `present_m` (of those that count), scaled to the same sum; equal ones stay.

    A weighted mean of fewer members is then the same as if each missing one said the weighted mean of the others.

    Example:
        >>> of_present(Learned({"weights": [0.5, 0.0, 0.2, 0.3]}), [1, 2]).values
        {'weights': [0.4, 0.6]}
    """
    if "weights" not in learned.values:
        return learned
    counted = [weight for weight in learned.values["weights"] if weight > 0]
    return Learned({**learned.values, "weights": normalised([counted[place] for place in present_m], len(present_m))})


def without_noise(weight_M: np.ndarray) -> list[float]:
    """Return learned weights, those that hardly count being 0."""
    kept_M = np.where(weight_M < min(NEGLIGIBLE, weight_M.max()), 0.0, weight_M)
    return normalised(kept_M.tolist(), len(kept_M))


def by_log_loss(evidence: Evidence, seed: int) -> list[float]:
    """Return the weights of the mixture of probabilities with the smallest log loss; the problem is convex."""
    from scipy.optimize import minimize

    right_MN = np.maximum(right_probabilities(thinned(evidence, seed)).astype(np.float64), 1e-9)
    num_members = len(right_MN)

    def loss(weight_M: np.ndarray) -> tuple[float, np.ndarray]:
        mixed_N = np.maximum(weight_M @ right_MN, 1e-12)
        return -float(np.log(mixed_N).mean()), -(right_MN @ (1 / mixed_N)) / len(mixed_N)

    found = minimize(
        loss,
        np.full(num_members, 1 / num_members),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * num_members,
        constraints={
            "type": "eq",
            "fun": lambda weight_M: weight_M.sum() - 1,
            "jac": lambda _: np.ones((1, num_members)),
        },
        options={"maxiter": 100, "ftol": 1e-9},
    )
    return without_noise(np.clip(found.x, 0.0, 1.0))


def by_least_squares(evidence: Evidence, seed: int) -> list[float]:
    """Return the weights that sum to 1 with the smallest squared error of the weighted mean.

    With E the mean products of errors this is min w'Ew on the simplex. Along each direction the length of w is free in
    min |E^(1/2) w|^2 + s (sum w - 1)^2, w >= 0, so for any s > 0 its solution points the same way: non-negative least
    squares in M unknowns, then scaled. Source: Breiman 1996, "Stacked regressions", Machine Learning 24.
    """
    from scipy.optimize import nnls

    value_M, vector_MM = np.linalg.eigh(error_products(thinned(evidence, seed)))
    scale = np.sqrt(max(float(value_M[-1]), np.finfo(np.float64).tiny))
    root_MM = np.sqrt(np.maximum(value_M, 0.0))[:, None] * vector_MM.T / scale
    target = np.zeros(len(root_MM) + 1)
    target[-1] = 1.0
    weight_M, _ = nnls(np.vstack([root_MM, np.ones(len(root_MM))]), target)
    return without_noise(weight_M)


def by_metric(evidence: Evidence, seed: int) -> list[float]:
    """Return the weights that draw-by-draw selection finds best by the metric."""
    known = thinned(evidence, seed)
    weights: list[float] = select(metric_gains(known), len(known.names), NUM_DRAWS).tolist()
    return weights
