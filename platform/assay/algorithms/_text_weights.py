"""A linear model on the terms of texts and numbers beside them: how it is solved, what it says, how it is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from assay.algorithms._terms import Terms, TermSettings
from assay.algorithms._texts import numbers_beside, texts_of
from assay.algorithms._threads import pinned
from assay.batch import Batch
from assay.errors import ArtifactFault
from assay.parts import Files
from assay.spec.strict import Strict

SHAPE, ARRAYS = "shape.json", "terms.safetensors"
TYPES = {"term": np.int32, "idf": np.float32, "weight": np.float32, "offset": np.float64, "class": np.int64}
MAX_ROUNDS = 300


class Shape(Strict):
    """What is not an array: bounded, since it may come from a stranger."""

    terms: TermSettings = Field(description="what counts as a term")
    num_classes: int = Field(ge=0, le=1_000_000, description="classes, 0 for regression")
    num_numbers: int = Field(ge=0, le=1_000_000, description="numbers beside the texts")
    link: Literal["number", "two", "shares", "each"] = Field(
        description="how scores become predictions: as they are, the odds of two classes, a softmax, one class each"
    )


@dataclass
class FittedTerms:
    """Weights of terms and numbers for each score; two classes have one score."""

    shape: Shape
    terms: Terms
    weight_TS: np.ndarray  # float32: terms, then the numbers beside them
    offset_S: np.ndarray
    class_S: np.ndarray  # classes that the rows of the fit had
    facts: Mapping[str, float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        from scipy.special import expit, softmax

        prediction_NK = np.zeros((len(batch), max(self.shape.num_classes, 1)))
        if not len(batch):
            return prediction_NK
        with pinned(1):
            x_NT = side_by_side(self.terms.of(texts_of(batch)), numbers_beside(batch))
            score_NS = x_NT @ self.weight_TS + self.offset_S
        if self.shape.link == "number":
            return np.asarray(score_NS, np.float64)
        if self.shape.link == "two":
            said_NC = np.hstack([expit(-score_NS), expit(score_NS)])
        elif self.shape.link == "each":
            said_NC = expit(score_NS)
            said_NC /= np.maximum(said_NC.sum(axis=1, keepdims=True), 1e-300)
        else:
            said_NC = softmax(score_NS, axis=1)
        prediction_NK[:, self.class_S] = said_NC
        return prediction_NK

    def files(self) -> Files:
        """Return the shape as JSON and the arrays as safetensors."""
        from safetensors.numpy import save

        arrays = {
            "term": self.terms.term_T,
            "idf": self.terms.idf_T,
            "weight": self.weight_TS,
            "offset": self.offset_S,
            "class": self.class_S,
        }
        kept = {name: np.ascontiguousarray(array, TYPES[name]) for name, array in arrays.items()}
        return {SHAPE: self.shape.model_dump_json(indent=1).encode(), ARRAYS: save(kept)}


def from_files(files: Files) -> FittedTerms:
    """Read what `FittedTerms.files` wrote.

    Raises:
        ArtifactFault: a file is missing or broken, or an array is not of the shape and type that a fit gives.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        shape = Shape.model_validate(json.loads(files[SHAPE]))
        kept = load(files[ARRAYS])
        arrays = {name: np.array(kept[name]) for name in TYPES}
    except (KeyError, ValueError, TypeError, ValidationError, SafetensorError) as error:
        raise ArtifactFault.at(SHAPE, f"or {ARRAYS} is missing or broken ({type(error).__name__}: {error})") from None
    wrong = [name for name, kind in TYPES.items() if arrays[name].dtype != kind or not np.isfinite(arrays[name]).all()]
    if wrong:
        raise ArtifactFault.at(ARRAYS, f"has other numbers in {', '.join(wrong)} than a fit gives")
    terms = Terms(shape.terms, arrays["term"], arrays["idf"]).checked()
    fitted = FittedTerms(shape, terms, arrays["weight"], arrays["offset"], arrays["class"])
    _check(fitted)
    return fitted


def _check(fitted: FittedTerms) -> None:
    shape, class_S = fitted.shape, fitted.class_S
    num_scores = {"number": 1, "two": 1}.get(shape.link, len(class_S))
    expected = (len(fitted.terms.term_T) + shape.num_numbers, num_scores)
    if fitted.weight_TS.shape != expected or fitted.offset_S.shape != (num_scores,):
        raise ArtifactFault.at(ARRAYS, f"has weights of shape {fitted.weight_TS.shape}, {SHAPE} needs {expected}")
    num_known = {"number": 0, "two": 2}.get(shape.link, max(len(class_S), 1))
    bounded = class_S.ndim == 1 and len(class_S) == num_known and (np.diff(class_S) > 0).all()
    if not bounded or (class_S < 0).any() or (class_S >= shape.num_classes).any():
        raise ArtifactFault.at(ARRAYS, f"does not know classes 0 to {shape.num_classes - 1}")


def side_by_side(weight_NT: Any, x_NF: np.ndarray) -> Any:
    """Return terms and numbers as one sparse matrix."""
    from scipy.sparse import csr_matrix, hstack

    return hstack([weight_NT, csr_matrix(x_NF)], format="csr") if x_NF.shape[1] else weight_NT


def regression(
    terms: Terms, weight_NT: Any, x_NF: np.ndarray, batch: Batch, *, C: float, by_class: bool, seed: int
) -> FittedTerms:
    """Return the regression on terms and numbers of training rows; `by_class` scales terms by how they lean."""
    x_NT = side_by_side(weight_NT, x_NF)
    num_leaning = weight_NT.shape[1] if by_class else 0
    class_S = np.unique(batch.label_N) if batch.num_classes else np.zeros(0, np.int64)

    def odds(one: int) -> tuple[np.ndarray, np.ndarray]:
        return _one_class(x_NT, batch.label_N == one, batch, C, num_leaning, seed)

    if not batch.num_classes:
        return _fitted(terms, x_NF, batch, class_S, "number", _ridge(x_NT, batch, C))
    if len(class_S) == 1:
        return _fitted(terms, x_NF, batch, class_S, "shares", (np.zeros((x_NT.shape[1], 1)), np.zeros(1)))
    if len(class_S) == 2:
        return _fitted(terms, x_NF, batch, class_S, "two", odds(int(class_S[1])))
    if not by_class:
        return _fitted(terms, x_NF, batch, class_S, "shares", _shares(x_NT, batch, C))
    each = [odds(one) for one in class_S.tolist()]
    solved = np.hstack([weight for weight, _ in each]), np.hstack([offset for _, offset in each])
    return _fitted(terms, x_NF, batch, class_S, "each", solved)


def naive_bayes(terms: Terms, weight_NT: Any, x_NF: np.ndarray, batch: Batch, *, alpha: float) -> FittedTerms:
    """Return naive Bayes on the terms of training rows; numbers beside them say nothing to it."""
    from sklearn.naive_bayes import MultinomialNB

    class_S = np.unique(batch.label_N)
    solver = MultinomialNB(alpha=alpha).fit(weight_NT, batch.label_N, sample_weight=batch.weight_N)
    weight_TS = np.vstack([solver.feature_log_prob_.T, np.zeros((x_NF.shape[1], len(class_S)))])
    # What all classes share cancels out; without it the weights are small, and float32 holds them well.
    weight_TS -= weight_TS.mean(axis=1, keepdims=True)
    return _fitted(terms, x_NF, batch, class_S, "shares", (weight_TS, solver.class_log_prior_))


def _fitted(
    terms: Terms,
    x_NF: np.ndarray,
    batch: Batch,
    class_S: np.ndarray,
    link: Literal["number", "two", "shares", "each"],
    solved: tuple[np.ndarray, np.ndarray],
) -> FittedTerms:
    shape = Shape(terms=terms.settings, num_classes=batch.num_classes, num_numbers=x_NF.shape[1], link=link)
    return FittedTerms(shape, terms, np.asarray(solved[0], np.float32), np.asarray(solved[1], np.float64), class_S)


def lean_of(x_NT: Any, inside_N: np.ndarray, weight_N: np.ndarray | None) -> np.ndarray:
    """Return the log of how much more often each term is in texts of a class than in the others, float32.

    Source: Wang and Manning 2012, equation 1, with each term counted once a text.
    """
    there_NT = (x_NT != 0).astype(np.float64)
    counts_N = np.ones(x_NT.shape[0]) if weight_N is None else weight_N
    inside_T = 1 + there_NT.T @ (counts_N * inside_N)
    outside_T = 1 + there_NT.T @ (counts_N * ~inside_N)
    lean_T: np.ndarray = np.log(inside_T / inside_T.sum()) - np.log(outside_T / outside_T.sum())
    return lean_T.astype(np.float32)


def _one_class(
    x_NT: Any, inside_N: np.ndarray, batch: Batch, C: float, num_leaning: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return weight_T1 and offset_1 of the odds of one class; the first columns are scaled by how they lean to it."""
    from scipy.sparse import diags
    from sklearn.linear_model import LogisticRegression

    scale_T = np.ones(x_NT.shape[1], np.float32)
    scale_T[:num_leaning] = lean_of(x_NT[:, :num_leaning], inside_N, batch.weight_N)
    # The dual form has one unknown a row, and there are many more terms than rows.
    solver = LogisticRegression(C=C, solver="liblinear", dual=True, max_iter=MAX_ROUNDS, random_state=seed)
    solver.fit(x_NT @ diags(scale_T), inside_N, sample_weight=batch.weight_N)
    return (solver.coef_[0] * scale_T)[:, None], solver.intercept_


def _shares(x_NT: Any, batch: Batch, C: float) -> tuple[np.ndarray, np.ndarray]:
    """Return weight_TS and offset_S of the shares of three classes or more."""
    from sklearn.linear_model import LogisticRegression

    solver = LogisticRegression(C=C, solver="lbfgs", max_iter=MAX_ROUNDS)
    solver.fit(x_NT, batch.label_N, sample_weight=batch.weight_N)
    return solver.coef_.T, solver.intercept_


def _ridge(x_NT: Any, batch: Batch, C: float) -> tuple[np.ndarray, np.ndarray]:
    """Return weight_T1 and offset_1 of a number, which is standardised to be solved for."""
    from sklearn.linear_model import Ridge

    mean, scale = float(batch.label_N.mean()), float(batch.label_N.std()) or 1.0
    solver = Ridge(alpha=1 / C, solver="sparse_cg", tol=1e-5)
    solver.fit(x_NT, (batch.label_N - mean) / scale, sample_weight=batch.weight_N)
    return solver.coef_[:, None] * scale, np.array([solver.intercept_ * scale + mean])
