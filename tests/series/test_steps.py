"""Steps for series: what a spectrogram hears, and what pictures and summaries say of the time."""

from __future__ import annotations

import numpy as np
import pytest

from assay import catalog
from assay.batch import Batch, Column
from assay.vocabulary import ColumnKind, Shelf

RATE_HZ = 8_000


def batch_of(x_NTC: np.ndarray, *features: str) -> Batch:
    meaning = {"x": Column(ColumnKind.SERIES, features=features)}
    return Batch({"x": x_NTC.astype(np.float32)}, meaning, np.arange(len(x_NTC)))


def applied(key: str, batch: Batch, **params: object) -> np.ndarray:
    return catalog.make(Shelf.STEPS, key, params).learn(batch, 0)[1].columns["x"]


def tone(hz: float, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(RATE_HZ * seconds)) / RATE_HZ)


def test_a_higher_tone_lies_in_a_higher_band() -> None:
    waves = np.stack([tone(hz) for hz in (200, 800, 3_000)])[:, :, None]
    loudest = applied("log_mel", batch_of(waves)).mean(axis=1).argmax(axis=1)
    assert loudest[0] < loudest[1] < loudest[2]


def test_how_loud_a_recording_is_says_nothing() -> None:
    quiet, loud = (applied("log_mel", batch_of(gain * tone(440)[None, :, None])) for gain in (1, 3_000))
    np.testing.assert_allclose(quiet, loud, atol=1e-3)


def test_silence_around_a_sound_is_cut_off() -> None:
    silence = np.zeros(2_000)
    around = np.concatenate([silence, tone(440), silence])[None, :, None]
    frames = [(~np.isnan(applied("log_mel", batch_of(x))[0, :, 0])).sum() for x in (tone(440)[None, :, None], around)]
    assert abs(int(frames[0]) - int(frames[1])) <= 4


def test_complete_silence_is_heard_without_a_warning() -> None:
    with np.errstate(all="raise"):
        heard = applied("log_mel", batch_of(np.zeros((2, 2_000, 1))))
    assert np.isfinite(heard[:, 0]).all()


def test_short_series_and_those_of_channels_are_no_sound() -> None:
    step = catalog.make(Shelf.STEPS, "log_mel")
    assert not step.columns(batch_of(np.zeros((2, 100, 1))))
    assert not step.columns(batch_of(np.zeros((2, 2_000, 3))))


def test_cepstra_are_made_of_spectrograms_only() -> None:
    step = catalog.make(Shelf.STEPS, "cepstra")
    assert not step.columns(batch_of(np.zeros((2, 9, 40))))
    assert applied("cepstra", batch_of(np.ones((2, 9, 40)), *(f"x mel band {i}" for i in range(40)))).shape == (
        2,
        9,
        13,
    )


@pytest.mark.parametrize("key", ["series_picture", "series_summary"])
def test_steps_after_the_end_say_nothing(key: str) -> None:
    x_NTC = np.random.default_rng(0).normal(size=(3, 8, 2))
    padded = np.pad(x_NTC, ((0, 0), (0, 4), (0, 0)), constant_values=np.nan)
    params = {"num_moments": 5} if key == "series_picture" else {}
    np.testing.assert_allclose(
        applied(key, batch_of(x_NTC), **params), applied(key, batch_of(padded), **params), rtol=1e-5, atol=1e-5
    )


def test_a_summary_holds_the_moments_and_the_slope() -> None:
    found = applied("series_summary", batch_of(np.arange(5.0)[None, :, None]))[0]
    mean, deviation, lowest, highest, first, last, slope = found[:7]
    assert (mean, lowest, highest, first, last, slope) == pytest.approx((2, 0, 4, 0, 4, 5))
    assert deviation == pytest.approx(np.sqrt(2))
