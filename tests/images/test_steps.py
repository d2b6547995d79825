"""Images as numbers: what the steps keep of a picture."""

from __future__ import annotations

import numpy as np
from bars import bars

from assay import catalog
from assay.batch import Batch, Column
from assay.parts import Json
from assay.recipe import learn_steps
from assay.vocabulary import ColumnKind, Shelf


def rows(image_NHWC: np.ndarray) -> Batch:
    return Batch({"x": image_NHWC}, {"x": Column(ColumnKind.IMAGE)}, np.arange(len(image_NHWC)))


def numbers(key: str, image_NHWC: np.ndarray, params: Json | None = None) -> np.ndarray:
    found = catalog.make(Shelf.STEPS, key, params or {}).apply({}, rows(image_NHWC))
    return next(array for array in found.columns.values() if array.ndim == 2)


def test_pixels_are_named_by_their_place() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    found = catalog.make(Shelf.STEPS, "pixels").apply({}, rows(image))
    assert [feature.name for feature in found.features][:4] == ["x 0,0,0", "x 0,0,1", "x 0,0,2", "x 0,1,0"]
    np.testing.assert_allclose(found.columns["x"][0] * 255, np.arange(12), atol=1e-4)


def test_squares_of_large_images_are_averaged() -> None:
    image = np.zeros((1, 8, 8, 1), np.uint8)
    image[:, :4, :4] = 255
    assert numbers("pixels", image, {"max_side": 2}).tolist() == [[1.0, 0.0, 0.0, 0.0]]


def test_gradients_tell_directions_whatever_the_light() -> None:
    image_NHW, labels = bars(40)
    lying_N = np.array(labels) == "lying"
    found = numbers("gradients", image_NHW[..., None])
    darker = numbers("gradients", (image_NHW[..., None] // 2 + 40).astype(np.uint8))
    gap = np.abs(found[lying_N].mean(axis=0) - found[~lying_N].mean(axis=0)).max()
    assert gap > 4 * np.abs(found - darker).mean()


def test_components_leave_as_many_numbers_as_asked_and_the_largest_first() -> None:
    from assay.batch import Pending

    image_NHW, _ = bars(60)
    steps = [Pending("pixels"), Pending("components", {"num_components": 7})]
    _, found = learn_steps(steps, rows(image_NHW[..., None]), seed=0)
    spread = found.columns["components"].std(axis=0)
    assert found.columns["components"].shape == (60, 7)
    assert (np.diff(spread) <= 1e-6).all()


def test_every_recipe_leaves_numbers_or_the_images_themselves() -> None:
    kind = catalog.make(Shelf.KINDS, "image")
    from assay.batch import Pending

    for wants in ("codes", "dense"):
        _, found = learn_steps([Pending(key) for key in kind.default_steps(wants)], rows(bars(40)[0][..., None]), 0)
        assert found.packed().matrix().shape[0] == 40
    assert kind.default_steps("raw") == ()
