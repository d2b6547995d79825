"""Linear models on the terms of texts, words, word pairs and pieces of words: fast, and hard to beat on few texts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from assay.algorithms._terms import Terms, TermSettings
from assay.algorithms._text_weights import FittedTerms, from_files, regression
from assay.algorithms._texts import numbers_beside, texts_of
from assay.algorithms._threads import pinned
from assay.batch import Batch
from assay.parts import COST_ROWS, Algorithm, Files
from assay.spec.spaces import Choice, LogUniform
from assay.spec.strict import Strict


class TextLinear(Algorithm):
    """Logistic regression, or ridge regression for numbers, on the TF-IDF of words and pieces of words.

    With `by_class` each term is first scaled by how much more often it is in one class than in the others, which helps
    short texts. Terms and their weights are learned inside the fit, from its rows alone. Numbers beside the texts are
    read too. Source: Joachims 1998, "Text categorization with support vector machines"; Wang and Manning 2012,
    "Baselines and bigrams: simple, good sentiment and topic classification".

    Example:
        >>> import numpy as np
        >>> from assay.batch import Column
        >>> from assay.vocabulary import ColumnKind
        >>> texts = np.array(["a good film", "a bad film", "good", "so bad"] * 5, dtype=object)
        >>> meaning = {"said": Column(ColumnKind.TEXT)}
        >>> batch = Batch({"said": texts}, meaning, np.arange(20), np.array([1, 0] * 10), num_classes=2)
        >>> TextLinear().fit(batch, seed=0).predict(batch).argmax(axis=1)[:4].tolist()
        [1, 0, 1, 0]
    """

    class Params(Strict):
        """Settings of the terms and of the regression."""

        max_words: int = Field(2, ge=0, le=5, description="longest run of words that is one term; 0 takes no words")
        max_letters: int = Field(
            5, ge=0, le=10, description="longest piece of a word that is one term, from 2 letters; 0 takes none"
        )
        min_rows: int = Field(1, ge=1, le=1_000_000, description="training texts that a term must be in")
        counted: Literal["log", "once"] = Field(
            "log", description="log of how often a term is in a text, or only that it is"
        )
        by_class: bool = Field(True, description="whether terms are scaled by how they lean to a class")
        C: float = Field(8.0, gt=0, le=1e6, description="inverse strength of the penalty; smaller is smoother")

    kinds = frozenset({"text"})
    wants = "raw"
    cost = 2.6
    libraries = ("sklearn.linear_model", "sklearn.feature_extraction.text")
    space = {
        "max_words": Choice((1, 2, 3)),
        "max_letters": Choice((0, 4, 5, 6)),
        "counted": Choice(("log", "once")),
        "by_class": Choice((False, True)),
        "C": LogUniform(0.3, 30.0),
    }
    portfolio = ({}, {"by_class": False}, {"max_letters": 0}, {"counted": "once", "max_letters": 6})

    @classmethod
    def cost_of(cls, num_rows: int, num_features: int, num_classes: int) -> float:
        """Return seconds: finding the terms, and solving once for each class beyond two."""
        return cls.cost * num_rows / COST_ROWS * (0.75 + 0.25 * max(1.0, num_classes / 2))

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> FittedTerms:
        """Learn the terms, their weights, and the regression."""
        settings = TermSettings(**self.params.model_dump(include=set(TermSettings.model_fields)))
        terms, weight_NT = Terms.learned(settings, texts_of(batch))
        with pinned(threads):
            return regression(
                terms,
                weight_NT,
                numbers_beside(batch),
                batch,
                C=self.params.C,
                by_class=self.params.by_class,
                seed=seed,
            )

    def load(self, files: Files) -> FittedTerms:
        """Read terms and weights.

        Raises:
            ArtifactFault: a file is missing or broken, or an array is not of the shape and type that `fit` gives.
        """
        return from_files(files)
