"""The convolutional net: what it learns, what it costs, and that it comes out the same."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from bars import bars

from assay import catalog
from assay.algorithms._augment import Augment
from assay.batch import Batch, Column
from assay.errors import ArtifactFault, SpecFault
from assay.parts import Algorithm, Fitted, Json
from assay.training.muon import MuonAdamW
from assay.vocabulary import ColumnKind, Shelf


def rows(num_rows: int = 120, seed: int = 0) -> Batch:
    image_NHW, labels = bars(num_rows, seed)
    meaning = {"x": Column(ColumnKind.IMAGE)}
    y_N = np.array([label == "standing" for label in labels]).astype(np.int64)
    return Batch({"x": image_NHW[..., None]}, meaning, np.arange(num_rows), y_N, num_classes=2)


def net(params: Json | None = None) -> Algorithm:
    made: Algorithm = catalog.make(Shelf.ALGORITHMS, "cnn", {"num_epochs": 8, "width": 8, **(params or {})})
    return made


def fitted(params: Json | None = None, seed: int = 0) -> Fitted:
    return net(params).fit(rows(), seed)


def digest(seed: int = 0) -> str:
    return hashlib.sha256(fitted(seed=seed).predict(rows(40, 1)).tobytes()).hexdigest()


def test_it_learns_how_a_bar_lies_from_a_hundred_images() -> None:
    judged = rows(80, seed=1)
    assert (fitted().predict(judged).argmax(axis=1) == judged.label_N).mean() > 0.95


def test_the_same_seed_gives_the_same_bits_in_another_process_and_another_seed_others() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_cnn; print(test_cnn.digest())"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == digest()
    assert digest(seed=1) != digest()


def test_an_image_is_answered_alike_alone_and_among_others() -> None:
    model, judged = fitted(), rows(40, seed=1)
    alone = np.concatenate([model.predict(judged.take(np.array([row]))) for row in range(3)])
    np.testing.assert_allclose(alone, model.predict(judged)[:3], atol=1e-6)


def test_weights_of_another_network_are_refused() -> None:
    files, other = fitted().files(), fitted({"width": 12}).files()
    with pytest.raises(ArtifactFault, match="network"):
        net().load({**files, "weights.safetensors": other["weights.safetensors"]})


@pytest.mark.parametrize("shape", [(4, 4, 1), (8, 30, 3), (28, 28, 1), (64, 48, 3), (5, 64, 1)])
def test_images_of_any_shape_pass(shape: tuple[int, int, int]) -> None:
    image_NHWC = np.random.default_rng(0).integers(0, 256, (16, *shape), np.uint8)
    batch = Batch({"x": image_NHWC}, {"x": Column(ColumnKind.IMAGE)}, np.arange(16), np.arange(16) % 2, num_classes=2)
    assert net({"num_epochs": 1}).fit(batch, 0).predict(batch).shape == (16, 2)


def test_shifts_mirrors_and_cuts_keep_the_shape_and_repeat_with_the_generator() -> None:
    image = torch.rand(32, 9, 7, 3)
    changed = [Augment(2, True, 3)({"image": image}, torch.Generator().manual_seed(5))["image"] for _ in range(2)]
    assert torch.equal(*changed)
    assert changed[0].shape == image.shape
    assert not torch.equal(changed[0], image)
    assert torch.equal(Augment(0, False, 0)({"image": image}, torch.Generator())["image"], image)


def test_a_mirrored_image_is_the_image_or_its_mirror() -> None:
    image = torch.rand(64, 5, 6, 1)
    found = Augment(0, True, 0)({"image": image}, torch.Generator().manual_seed(0))["image"]
    turned = [torch.equal(one, before.flip(1)) for one, before in zip(found, image, strict=True)]
    assert 16 < sum(turned) < 48
    assert all(turn or torch.equal(one, before) for turn, one, before in zip(turned, found, image, strict=True))


def test_the_optimizer_goes_on_from_its_state_as_if_it_had_never_stopped() -> None:
    def made() -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8 * 9, 2))

    def step(network: torch.nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
        optimizer.zero_grad()
        network(torch.rand(4, 8, 5, 5, generator=torch.Generator().manual_seed(seed))).square().mean().backward()
        optimizer.step()

    whole, first = made(), made()
    optimizer, before = MuonAdamW(whole, 0.01, 0.1), MuonAdamW(first, 0.01, 0.1)
    for seed in (1, 2):
        step(whole, optimizer, seed)
    step(first, before, 1)
    after = MuonAdamW(first, 0.01, 0.1)
    after.load_state_dict(before.state_dict())
    step(first, after, 2)
    for one, other in zip(whole.parameters(), first.parameters(), strict=True):
        assert torch.equal(one, other)


def test_more_and_larger_images_cost_more_and_few_are_seen_often() -> None:
    cost_of = net().cost_of
    assert cost_of(1_000, 64, 10) < cost_of(1_000, 28 * 28, 10) < cost_of(10_000, 28 * 28, 10)
    assert cost_of(100_000, 28 * 28, 10) < 20 * cost_of(10_000, 28 * 28, 10)


def test_a_setting_out_of_bounds_is_refused_by_name() -> None:
    with pytest.raises(SpecFault, match=r"cnn\.params\.shift"):
        net({"shift": 0.9})
