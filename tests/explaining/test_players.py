"""Who plays: patches, stretches and words cover what they are parts of, and plain columns play beside them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.batch import Pending
from assay.explaining import players
from assay.explaining.explanation import Explainer
from assay.model import Member, Model
from assay.recipe import Recipe, learn_steps
from assay.vocabulary import Shelf

EVERYBODY, NOBODY = np.ones((1, 64), bool), np.zeros((1, 64), bool)
GROUND = np.zeros(1, int)


def shown(some: players.Cells | players.Words, z_MP: np.ndarray) -> np.ndarray:
    (array,) = some.columns(z_MP[:, : len(some.names)], GROUND).values()
    found: np.ndarray = array[0]
    return found


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 1), (8, 8, 3), (64, 17, 3)])
def test_patches_cover_an_image_and_hidden_it_is_one_colour(shape: tuple[int, int, int]) -> None:
    image_HWC = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    some = players.patches("photo", image_HWC)
    np.testing.assert_array_equal(shown(some, EVERYBODY), image_HWC)
    assert np.unique(shown(some, NOBODY).reshape(-1, shape[2]), axis=0).shape[0] == 1
    assert shown(some, NOBODY).dtype == np.uint8
    assert len(some.names) == len(set(some.names)) == len(np.unique(some.place)) <= players.GRID**2


@pytest.mark.parametrize(("num_steps", "num_channels"), [(2, 1), (9, 2), (400, 3), (50, 12)])
def test_stretches_cover_a_series_and_leave_its_end_alone(num_steps: int, num_channels: int) -> None:
    series_TC = np.random.default_rng(0).normal(size=(num_steps + 5, num_channels)).astype(np.float32)
    series_TC[num_steps:] = np.nan
    some = players.stretches("walk", series_TC)
    np.testing.assert_array_equal(shown(some, EVERYBODY), series_TC)
    hidden_TC = shown(some, NOBODY)
    assert np.isnan(hidden_TC[num_steps:]).all()
    np.testing.assert_allclose(hidden_TC[:num_steps], np.tile(np.nanmean(series_TC, axis=0), (num_steps, 1)), rtol=1e-6)
    assert len(some.names) == len(set(some.names)) <= players.MAX_STRETCHES


@pytest.mark.parametrize("text", ["", "one", "so  good,\nso   bad", "word " * 200, "映画は素晴らしい"])
def test_words_make_up_their_text_and_stand_where_they_say(text: str) -> None:
    some = players.words("said", text)
    assert str(shown(some, np.ones((1, 300), bool))) == text.strip()
    assert str(shown(some, np.zeros((1, 300), bool))) == ""
    for name, word in zip(some.names, some.values, strict=True):
        first, last = map(int, name.removeprefix("said[").removesuffix("]").split(":"))
        assert text[first:last] == word


def test_columns_beside_a_series_play_with_its_stretches() -> None:
    draw = np.random.default_rng(0)
    mass_N = draw.normal(size=60)
    walks = [(draw.normal(size=8) * 0.1).round(3).tolist() for _ in range(60)]
    rows = pa.table({"walk": walks, "mass": mass_N, "y": np.where(mass_N > 0, "heavy", "light")})
    kind = catalog.make(Shelf.KINDS, "series")
    profile = kind.profile(kind.summarise(rows, np.arange(60), 0), "y", None, {}, None)
    steps = [Pending(key) for key in kind.default_steps("dense")]
    states, batch = learn_steps(steps, kind.to_batch(rows, profile), seed=0)
    recipe = Recipe(tuple(states))
    fitted = catalog.make(Shelf.ALGORITHMS, "logistic_regression").fit(recipe.packed(batch), seed=0)
    member = Member("logistic_regression", "logistic_regression", {}, "dense", fitted)
    explainer = Explainer(Model("series", profile, {"dense": recipe}, (member,)))
    for row in explainer.rows(rows.slice(0, 3), explainer.model.batch(rows.slice(0, 3))):
        found = explainer.explained(row)
        assert found.base + sum(part.contribution for part in found.contributions) == pytest.approx(found.value)
        assert found.contributions[0].column == "mass"
        assert {part.column for part in found.contributions} == {
            "mass",
            *(f"walk[{at}:{at + 2}]" for at in (0, 2, 4, 6)),
        }
