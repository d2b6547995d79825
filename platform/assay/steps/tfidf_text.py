"""Text as a few numbers that place it among the training texts: its words, weighted by rarity and reduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from assay.batch import Batch, Column
from assay.cells import TERM
from assay.parts import Json, Step
from assay.spec.strict import Strict
from assay.steps import _sample
from assay.steps._content import from_text, to_text
from assay.vocabulary import ColumnKind

NUM_BINS = 2**20  # terms that meet in one bin are rare, and only bins that are used are kept
SVD_ROUNDS = 4


class TfidfText(Step):
    """Replaces text by the leading components of the TF-IDF of its words, word pairs and, when asked, pieces of words.

    Takes text columns, and the names of categories with many levels, whose codes stay as they are. Terms are hashed;
    their document counts and the components are those of at most `sample_rows` training rows, the ones with the
    smallest hashes of their ids, so blocks merge to the same bits in any grouping. Terms in one sampled row only are
    dropped, and of the others the `max_terms` most frequent stay. Empty text is all zeros. The training text itself is
    not kept.

    Components are few where rows are: on 612 passengers with names, ROC AUC of boosted trees is 0.872 with 6 and 0.855
    with 30 components and pieces of words (0.869 with 256 hashed bins), of a network 0.87 instead of 0.80.

    Source: Deerwester et al. 1990, "Indexing by latent semantic analysis"; Weinberger et al. 2009, "Feature hashing
    for large scale multitask learning"; pieces of words as in Cerda and Varoquaux 2020, "Encoding high-cardinality
    string categorical variables".

    Example:
        >>> text = np.array(["good film", "bad film", "good book", "bad book"], dtype=object)
        >>> batch = Batch({"review": text}, {"review": Column(ColumnKind.TEXT)}, np.arange(4))
        >>> state, changed = TfidfText(TfidfText.Params(num_components=2)).learn(batch, seed=0)
        >>> changed.columns["review"].shape
        (4, 2)
    """

    takes = frozenset({ColumnKind.TEXT})

    class Params(Strict):
        num_components: int = Field(30, ge=1, le=1_000, description="numbers per text column, at most")
        rows_per_component: int = Field(100, ge=1, description="sampled rows that each number needs; two need none")
        max_terms: int = Field(5_000, ge=2, le=100_000, description="terms that count, the most frequent ones")
        max_words: int = Field(2, ge=1, le=5, description="longest run of words that is one term")
        max_letters: int = Field(5, ge=2, le=10, description="longest piece of a word that is one term")
        first_letters: int = Field(
            0, ge=0, le=100_000, description="letters at the start from which pieces of words are taken; 0 takes none"
        )
        sample_rows: int = Field(10_000, ge=10, le=1_000_000, description="rows that terms are learned from, at most")

    def columns(self, batch: Batch) -> list[str]:
        return [*batch.names(*self.takes), *batch.views]

    def measure(self, batch: Batch) -> Json:
        return _sample.sampled(batch, self.columns(batch), self.params.sample_rows)

    def merge(self, states: Sequence[Json]) -> Json:
        return _sample.merged(states, self.params.sample_rows)

    def finish(self, state: Json) -> Json:
        return {name: self._learned(text) for name, text in state["values"].items()}

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns, meaning = {}, {}
        for name in (name for name in batch.columns if name in state):
            columns[name] = self._components(batch.columns[name], state[name])
            features = tuple(f"{name} component {index}" for index in range(columns[name].shape[1]))
            meaning[name] = Column(ColumnKind.NUMERIC, features=features)
        return batch.with_columns(columns, meaning)

    def _components(self, text_N: np.ndarray, known: Json) -> np.ndarray:
        """Return component_NC, float32."""
        from pandas import factorize

        term_T, idf_T = from_text(known["terms"], "<i4"), from_text(known["idf"], "<f4")
        projection_TC = from_text(known["projection"], "<f4").reshape(len(term_T), -1)
        if not len(text_N) or not len(term_T):  # scikit-learn refuses to hash nothing
            return np.zeros((len(text_N), projection_TC.shape[1]), np.float32)
        place_N, unique = factorize(text_N)  # levels of a category come many times
        weight_uT = _weighted(self._hashed(unique), term_T, idf_T)
        return np.asarray(weight_uT @ projection_TC, np.float32)[place_N]

    def _learned(self, texts: Sequence[str]) -> Json:
        """Return the bins of the terms in ascending order, their weights, and what projects them on the components."""
        from threadpoolctl import threadpool_limits

        count_nB = self._hashed(texts)
        document_B = np.bincount(count_nB.indices, minlength=count_nB.shape[1])
        order_B = np.argsort(-document_B, kind="stable")[: self.params.max_terms]
        term_T = np.sort(order_B[document_B[order_B] >= 2]).astype("<i4")
        idf_T = (np.log((1 + len(texts)) / (1 + document_B[term_T])) + 1).astype("<f4")
        with threadpool_limits(1):  # the same bits on a machine with other CPUs to share the sums
            num_components = min(self.params.num_components, max(2, len(texts) // self.params.rows_per_component))
            projection_TC = _projection(_weighted(count_nB, term_T, idf_T), num_components)
        return {"terms": to_text(term_T), "idf": to_text(idf_T), "projection": to_text(projection_TC)}

    def _hashed(self, texts: Sequence[str] | np.ndarray) -> Any:
        """Return how often each term is in each text: a sparse matrix of words beside pieces of words."""
        from scipy.sparse import hstack
        from sklearn.feature_extraction.text import HashingVectorizer

        common = {"n_features": NUM_BINS, "norm": None, "alternate_sign": False, "strip_accents": "unicode"}
        words = HashingVectorizer(ngram_range=(1, self.params.max_words), token_pattern=TERM, **common)
        found = [words.transform(texts)]
        if self.params.first_letters:
            pieces = HashingVectorizer(analyzer="char_wb", ngram_range=(2, self.params.max_letters), **common)
            found.append(pieces.transform([text[: self.params.first_letters] for text in texts]))
        return hstack(found, format="csr")


def _weighted(count_nB: Any, term_T: np.ndarray, idf_T: np.ndarray) -> Any:
    """Return the weights of the known terms, each row of length one: float32, sparse."""
    from scipy.sparse import csr_matrix

    place = np.minimum(np.searchsorted(term_T, count_nB.indices), max(len(term_T) - 1, 0))
    known = term_T[place] == count_nB.indices if len(term_T) else np.zeros(len(count_nB.indices), bool)
    row = np.repeat(np.arange(count_nB.shape[0]), np.diff(count_nB.indptr))[known]
    place = place[known]
    weight = (1 + np.log(count_nB.data[known])) * idf_T[place]
    length_n = np.sqrt(np.bincount(row, weight**2, count_nB.shape[0]))
    weight = (weight / length_n[row]).astype(np.float32)
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=count_nB.shape[0]))])
    return csr_matrix((weight, place, start), shape=(count_nB.shape[0], len(term_T)))


def _projection(weight_nT: Any, num_components: int) -> np.ndarray:
    """Return projection_TC on the leading components, of which those that are mere rounding are left out."""
    from sklearn.utils.extmath import randomized_svd

    num_components = min(num_components, *weight_nT.shape)
    if not num_components or not weight_nT.nnz:
        return np.zeros((weight_nT.shape[1], 0), "<f4")
    _, size_C, term_CT = randomized_svd(weight_nT, num_components, n_iter=SVD_ROUNDS, random_state=0)
    told_C = size_C > 1e-4 * size_C[0]  # below that, directions are rounding
    return np.ascontiguousarray(term_CT[told_C].T, "<f4")
