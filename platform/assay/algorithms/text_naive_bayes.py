"""Naive Bayes on the weighted terms of texts: learned in one pass, and company for models that are solved for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from assay.algorithms._terms import Terms, TermSettings
from assay.algorithms._text_weights import FittedTerms, from_files, naive_bayes
from assay.algorithms._texts import numbers_beside, texts_of
from assay.algorithms._threads import pinned
from assay.batch import Batch
from assay.parts import CLASSIFICATION, COST_ROWS, Algorithm, Files
from assay.spec.spaces import Choice, LogUniform
from assay.spec.strict import Strict


class TextNaiveBayes(Algorithm):
    """Multinomial naive Bayes on the TF-IDF of words and pieces of words, each text of length one.

    Long texts count no more than short ones, which the plain counts of words would have them do. Numbers beside the
    texts are not read. Source: Rennie et al. 2003, "Tackling the poor assumptions of naive Bayes text classifiers".

    Example:
        >>> import numpy as np
        >>> from assay.batch import Column
        >>> from assay.vocabulary import ColumnKind
        >>> texts = np.array(["a good film", "a bad film", "good", "so bad"] * 5, dtype=object)
        >>> meaning = {"said": Column(ColumnKind.TEXT)}
        >>> batch = Batch({"said": texts}, meaning, np.arange(20), np.array([1, 0] * 10), num_classes=2)
        >>> TextNaiveBayes().fit(batch, seed=0).predict(batch).argmax(axis=1)[:4].tolist()
        [1, 0, 1, 0]
    """

    class Params(Strict):
        """Settings of the terms and of what is taken for granted of those never seen."""

        max_words: int = Field(2, ge=0, le=5, description="longest run of words that is one term; 0 takes no words")
        max_letters: int = Field(
            5, ge=0, le=10, description="longest piece of a word that is one term, from 2 letters; 0 takes none"
        )
        min_rows: int = Field(1, ge=1, le=1_000_000, description="training texts that a term must be in")
        counted: Literal["log", "once"] = Field(
            "log", description="log of how often a term is in a text, or only that it is"
        )
        alpha: float = Field(0.3, gt=0, le=1_000, description="weight that each class gives each term beforehand")

    tasks = CLASSIFICATION
    kinds = frozenset({"text"})
    wants = "raw"
    cost = 2.2
    libraries = ("sklearn.naive_bayes", "sklearn.feature_extraction.text")
    space = {
        "max_words": Choice((1, 2, 3)),
        "max_letters": Choice((0, 4, 5, 6)),
        "counted": Choice(("log", "once")),
        "alpha": LogUniform(0.03, 3.0),
    }
    portfolio = ({}, {"max_letters": 0, "alpha": 0.7}, {"max_letters": 6, "alpha": 0.5})

    @classmethod
    def cost_of(cls, num_rows: int, num_features: int, num_classes: int) -> float:
        """Return seconds: nearly all of them find the terms."""
        return cls.cost * num_rows / COST_ROWS * (1 + 0.002 * num_classes)

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> FittedTerms:
        """Learn the terms and how often each class uses them."""
        settings = TermSettings(**self.params.model_dump(include=set(TermSettings.model_fields)))
        terms, weight_NT = Terms.learned(settings, texts_of(batch))
        with pinned(threads):
            return naive_bayes(terms, weight_NT, numbers_beside(batch), batch, alpha=self.params.alpha)

    def load(self, files: Files) -> FittedTerms:
        """Read terms and weights.

        Raises:
            ArtifactFault: a file is missing or broken, or an array is not of the shape and type that `fit` gives.
        """
        return from_files(files)
