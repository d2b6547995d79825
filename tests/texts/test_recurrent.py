"""The recurrent network on series of any lengths: each is read to its own end and no further."""

from __future__ import annotations

import numpy as np
import pytest
import sentences

from assay.batch import Batch


def ragged(num_rows: int = 80, seed: int = 0, longest: int = 14) -> tuple[np.ndarray, np.ndarray]:
    """Return series of 2 to `longest` steps that climb (1) or fall (0), from any height, with NaN after their ends."""
    draw = np.random.default_rng(seed)
    x_NTC = np.full((num_rows, longest, 2), np.nan, np.float32)
    y_N = np.arange(num_rows) % 2
    for row, climbs in enumerate(y_N):
        length = int(draw.integers(2, longest + 1))
        slope = 1.0 if climbs else -1.0
        centred = np.arange(length) - (length - 1) / 2
        x_NTC[row, :length, 0] = slope * centred + draw.normal(scale=0.2, size=length)
        x_NTC[row, :length, 1] = draw.normal(size=length)
    return x_NTC, y_N


def training() -> Batch:
    return sentences.series(*ragged())


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("two_ways", [False, True])
def test_it_learns_the_order_of_the_steps(cell: str, two_ways: bool) -> None:
    fitted = sentences.algorithm("rnn", cell=cell, two_ways=two_ways, num_epochs=25).fit(training(), seed=0)
    x_NTC, y_N = ragged(seed=1)
    assert (fitted.predict(sentences.series(x_NTC)).argmax(axis=1) == y_N).mean() > 0.9


def test_longer_padding_changes_nothing() -> None:
    fitted = sentences.algorithm("rnn").fit(training(), seed=0)
    x_NTC, _ = ragged(seed=1)
    padded_NTC = np.pad(x_NTC, ((0, 0), (0, 9), (0, 0)), constant_values=np.nan)
    expected_NK = fitted.predict(sentences.series(x_NTC))
    np.testing.assert_array_equal(fitted.predict(sentences.series(padded_NTC)), expected_NK)


def test_a_series_gets_the_same_answer_alone_and_among_longer_ones() -> None:
    fitted = sentences.algorithm("rnn", num_layers=2).fit(training(), seed=0)
    x_NTC, _ = ragged(seed=1)
    together_NK = fitted.predict(sentences.series(x_NTC))
    for row in (0, 11, 30):
        alone_NK = fitted.predict(sentences.series(x_NTC[row : row + 1]))
        np.testing.assert_allclose(alone_NK[0], together_NK[row], atol=1e-5)


def test_long_series_are_read_in_joined_steps() -> None:
    x_NTC, y_N = ragged(longest=60)
    fitted = sentences.algorithm("rnn", max_steps=20, num_epochs=25).fit(sentences.series(x_NTC, y_N), seed=0)
    new_NTC, new_N = ragged(seed=1, longest=60)
    assert (fitted.predict(sentences.series(new_NTC)).argmax(axis=1) == new_N).mean() > 0.9


def test_a_series_of_nothing_and_a_longer_one_than_any_in_training_are_answered() -> None:
    fitted = sentences.algorithm("rnn").fit(training(), seed=0)
    x_NTC = np.full((2, 40, 2), np.nan, np.float32)
    x_NTC[1] = np.linspace(-3, 3, 80).reshape(40, 2)
    assert np.isfinite(fitted.predict(sentences.series(x_NTC))).all()


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    files = [sentences.algorithm("rnn", num_epochs=2).fit(training(), seed=seed).files() for seed in (5, 5, 6)]
    assert files[0] == files[1] != files[2]


def test_an_inner_slice_settles_the_passes_of_the_last_fit() -> None:
    algorithm = sentences.algorithm("rnn", num_epochs=30, patience=3, inner_fraction=0.3)
    found = algorithm.fit(sentences.series(*ragged(120)), seed=0).facts["num_epochs"]
    last = algorithm.settled([{"num_epochs": found}] * 3)
    assert (last.params.num_epochs, last.params.patience) == (found, 0)
