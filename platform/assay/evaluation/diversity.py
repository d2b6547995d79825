"""How alike the mistakes of models are: models that err on other rows are worth more together than better ones."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from assay.parts import Json

MAX_ROWS = 50_000  # of more rows every second, third, … tells a correlation to two digits and more


@dataclass(frozen=True)
class Diversity:
    """Members, and the correlation of their out-of-fold errors, pair by pair."""

    members: tuple[str, ...]
    correlation_MM: np.ndarray

    def to_json(self) -> Json:
        """Return plain data."""
        return {"members": list(self.members), "error_correlation": np.round(self.correlation_MM, 6).tolist()}


def errors(prediction_MNK: np.ndarray, y_N: np.ndarray) -> np.ndarray:
    """Return error_MN: the residual of a number, and for a class what its probability lacks to 1."""
    if prediction_MNK.shape[2] == 1:
        return np.asarray(prediction_MNK[:, :, 0].astype(np.float64) - y_N)
    return np.asarray(1.0 - prediction_MNK[:, np.arange(len(y_N)), y_N].astype(np.float64))


def error_correlation(prediction_MNK: np.ndarray, y_N: np.ndarray) -> np.ndarray:
    """Return correlation_MM, Pearson's, in [-1, 1]; a member whose error never changes correlates with none.

    Example:
        >>> y_N = np.array([0.0, 0.0, 0.0, 0.0])
        >>> said_MNK = np.array([[1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.0], [1.0, -1.0, -1.0, 1.0]])[:, :, None]
        >>> error_correlation(said_MNK, y_N).round(6).tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    step = 1 + (len(y_N) - 1) // MAX_ROWS
    apart_MN = errors(prediction_MNK[:, ::step], y_N[::step])
    apart_MN -= apart_MN.mean(axis=1, keepdims=True)
    length_M = np.sqrt((apart_MN**2).sum(axis=1))
    apart_MN /= np.where(length_M > 0, length_M, 1.0)[:, None]
    correlation_MM: np.ndarray = np.clip(apart_MN @ apart_MN.T, -1.0, 1.0)
    np.fill_diagonal(correlation_MM, 1.0)
    return correlation_MM


def diversity(names: tuple[str, ...], prediction_MNK: np.ndarray, y_N: np.ndarray) -> Diversity:
    """Return how alike the errors of these members are."""
    return Diversity(names, error_correlation(prediction_MNK, y_N))


def in_words(found: Json) -> str:
    """Return one line about `Diversity.to_json`; empty for fewer than two members.

    Example:
        >>> in_words({"members": ["a", "b", "c"], "error_correlation": [[1, 0.9, 0.5], [0.9, 1, 0.7], [0.5, 0.7, 1]]})
        'errors of 3 members correlate 0.70 on average: least a and c (0.50), most a and b (0.90)'
    """
    names, correlation = found["members"], found["error_correlation"]
    pairs = [(correlation[one][other], names[one], names[other]) for one, other in combinations(range(len(names)), 2)]
    if not pairs:
        return ""
    mean = sum(pair[0] for pair in pairs) / len(pairs)
    told = [f"{one} and {other} ({value:.2f})" for value, one, other in (min(pairs), max(pairs))]
    return f"errors of {len(names)} members correlate {mean:.2f} on average: least {told[0]}, most {told[1]}"
