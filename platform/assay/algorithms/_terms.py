"""Terms of texts, words and pieces of words, weighted by how rare they are; what is known of them is three arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from assay.cells import TERM, UNSPACED
from assay.errors import ArtifactFault
from assay.spec.strict import Strict

NUM_BINS = 2**22  # of words, and as many of pieces: terms that meet in one bin are rare, and only bins in use are kept
WORD = rf"{TERM}|[^\w\s{UNSPACED}]"  # marks say something too


class TermSettings(Strict):
    """What counts as a term of a text."""

    max_words: int = Field(ge=0, le=5, description="longest run of words that is one term; 0 takes no words")
    max_letters: int = Field(ge=0, le=10, description="longest piece of a word that is one term, from 2; 0 takes none")
    min_rows: int = Field(ge=1, le=1_000_000, description="training texts that a term must be in")
    counted: Literal["log", "once"] = Field(description="log of how often a term is in a text, or only that it is")


@dataclass(frozen=True)
class Terms:
    """The T terms of the training texts: their bins, ascending, and the weight of each for its rarity.

    Words lie in bins 0 to NUM_BINS - 1, pieces of words in those above.
    """

    settings: TermSettings
    term_T: np.ndarray  # int32
    idf_T: np.ndarray  # float32

    @classmethod
    def learned(cls, settings: TermSettings, texts: Sequence[str] | np.ndarray) -> tuple[Terms, Any]:
        """Return the terms of training texts, and weight_NT of these texts."""
        count_NB = hashed(settings, texts)
        rows_B = np.bincount(count_NB.indices, minlength=count_NB.shape[1])
        term_T = np.flatnonzero(rows_B >= settings.min_rows).astype(np.int32)
        if not len(term_T):  # solvers refuse to solve for nothing
            term_T = np.zeros(1, np.int32)
        idf_T = (np.log((1 + len(texts)) / (1 + rows_B[term_T])) + 1).astype(np.float32)
        known = cls(settings, term_T, idf_T)
        return known, known.weighted(count_NB)

    def of(self, texts: Sequence[str] | np.ndarray) -> Any:
        """Return weight_NT, sparse float32: words and pieces each of length one; all 0 where no term is known."""
        return self.weighted(hashed(self.settings, texts))

    def weighted(self, count_NB: Any) -> Any:
        """Return the weights of the known terms for counts of all."""
        from scipy.sparse import csr_matrix

        num_rows, num_terms = count_NB.shape[0], len(self.term_T)
        place = np.minimum(np.searchsorted(self.term_T, count_NB.indices), max(num_terms - 1, 0))
        known = self.term_T[place] == count_NB.indices if num_terms else np.zeros(len(count_NB.indices), bool)
        row = np.repeat(np.arange(num_rows), np.diff(count_NB.indptr))[known]
        place, count = place[known], count_NB.data[known]
        weight = self.idf_T[place] * (1 + np.log(count) if self.settings.counted == "log" else 1)
        part = 2 * row + (self.term_T[place] >= NUM_BINS)  # words and pieces of each row
        weight = weight / np.sqrt(np.bincount(part, weight.astype(np.float64) ** 2, 2 * num_rows))[part]
        start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=num_rows))])
        return csr_matrix((weight.astype(np.float32), place, start), shape=(num_rows, num_terms))

    def checked(self) -> Terms:
        """Return the terms, which may come from a stranger.

        Raises:
            ArtifactFault: the arrays are not what `learned` makes.
        """
        term_T, idf_T = self.term_T, self.idf_T
        whole = term_T.dtype == np.int32 and idf_T.dtype == np.float32 and term_T.shape == idf_T.shape == (len(term_T),)
        if not whole or not np.isfinite(idf_T).all() or (idf_T <= 0).any() or (np.diff(term_T) <= 0).any():
            raise ArtifactFault.at("terms", "are not ascending bins, each with a weight above 0")
        if len(term_T) and not 0 <= term_T[0] <= term_T[-1] < 2 * NUM_BINS:
            raise ArtifactFault.at("terms", f"lie outside bins 0 to {2 * NUM_BINS - 1}")
        return self


def hashed(settings: TermSettings, texts: Sequence[str] | np.ndarray) -> Any:
    """Return how often each term is in each text: a sparse matrix of words beside pieces of words, float32."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import HashingVectorizer

    common = {"n_features": NUM_BINS, "norm": None, "alternate_sign": False, "dtype": np.float32}
    none = csr_matrix((len(texts), NUM_BINS), dtype=np.float32)
    if not len(texts):  # scikit-learn refuses to hash nothing
        return hstack([none, none], format="csr")
    words, pieces = none, none
    if settings.max_words:
        words = HashingVectorizer(ngram_range=(1, settings.max_words), token_pattern=WORD, **common).transform(texts)
    if settings.max_letters:
        letters = (min(2, settings.max_letters), settings.max_letters)
        pieces = HashingVectorizer(analyzer="char_wb", ngram_range=letters, **common).transform(texts)
    found = hstack([words, pieces], format="csr")
    found.sort_indices()
    return found
