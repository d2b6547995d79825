"""Text as counts of hashed words, reduced to a few numbers."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from assay.batch import Batch, Column
from assay.cells import UNSPACED
from assay.parts import Json, Step
from assay.spec.strict import Strict
from assay.vocabulary import ColumnKind

WORD = rf"(?u)[{UNSPACED}]|[^\W{UNSPACED}]{{2,}}"  # of two letters or more, where there are spaces


class HashedText(Step):
    """Hashes words and word pairs into signed, length-normalised bins; needs no vocabulary, so nothing is learned.

    Source: Weinberger et al. 2009, "Feature hashing for large scale multitask learning".

    Example:
        >>> text = np.array(["good film", "bad film"], dtype=object)
        >>> batch = Batch({"review": text}, {"review": Column(ColumnKind.TEXT)}, np.arange(2))
        >>> HashedText(HashedText.Params(num_bins=64)).apply({}, batch).columns["review"].shape
        (2, 64)
    """

    takes = frozenset({ColumnKind.TEXT})

    class Params(Strict):
        num_bins: int = Field(256, ge=8, le=65_536, description="numbers per text column")
        max_words: int = Field(2, ge=1, le=5, description="longest run of words that counts as one term")

    def apply(self, state: Json, batch: Batch) -> Batch:
        from sklearn.feature_extraction.text import HashingVectorizer

        words = {"ngram_range": (1, self.params.max_words), "token_pattern": WORD}
        vectorizer = HashingVectorizer(n_features=self.params.num_bins, **words)
        columns, meaning = {}, {}
        for name in batch.names(*self.takes):
            columns[name] = np.zeros((len(batch), self.params.num_bins), np.float32)
            if len(batch):  # scikit-learn refuses to hash nothing
                columns[name][:] = vectorizer.transform(batch.columns[name]).toarray()
            features = tuple(f"{name} bin {index}" for index in range(self.params.num_bins))
            meaning[name] = Column(ColumnKind.BOOLEAN, features=features)  # bounded, so it needs no scaling
        return batch.with_columns(columns, meaning)
