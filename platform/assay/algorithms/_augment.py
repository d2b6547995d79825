"""Images of a batch, each changed a little by chance: shifted, mirrored, with a patch blotted out. Imports torch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

CUT_SHARE = 0.5  # of the images that lose a patch


@dataclass(frozen=True)
class Augment:
    """Random changes that leave the label true; drawn from the generator that is given, on CPU.

    Source: Simonyan and Zisserman 2015 (shifts, mirrors); DeVries and Taylor 2017, "Improved regularization of
    convolutional neural networks with cutout".
    """

    shift: int  # pixels up, down, left or right, at most; edges are repeated
    mirror: bool  # left and right, of half the images
    cut: int  # side of the patch, 0 for none

    def __call__(self, rows: dict[str, Tensor], draw: torch.Generator) -> dict[str, Tensor]:
        """Return the rows with other images."""
        image = rows["image"]
        if self.shift:
            image = _shifted(image, self.shift, draw)
        if self.mirror:
            turned_N = torch.rand(len(image), generator=draw) < 0.5
            image = torch.where(turned_N[:, None, None, None], image.flip(2), image)
        if self.cut:
            image = _cut(image, self.cut, draw)
        return {**rows, "image": image}


def _shifted(image: Tensor, most: int, draw: torch.Generator) -> Tensor:
    num_rows, height, width, _ = image.shape
    wide = pad(image.permute(0, 3, 1, 2), (most, most, most, most), mode="replicate").permute(0, 2, 3, 1)
    down_N, right_N = torch.randint(0, 2 * most + 1, (2, num_rows), generator=draw)
    y_NH = down_N[:, None] + torch.arange(height)
    x_NW = right_N[:, None] + torch.arange(width)
    return wide[torch.arange(num_rows)[:, None, None], y_NH[:, :, None], x_NW[:, None, :]]


def _cut(image: Tensor, side: int, draw: torch.Generator) -> Tensor:
    num_rows, height, width, _ = image.shape
    top_N = torch.randint(1 - side, height, (num_rows,), generator=draw)
    left_N = torch.randint(1 - side, width, (num_rows,), generator=draw)
    y_NH = torch.arange(height) - top_N[:, None]
    x_NW = torch.arange(width) - left_N[:, None]
    inside_NHW = ((y_NH >= 0) & (y_NH < side))[:, :, None] & ((x_NW >= 0) & (x_NW < side))[:, None, :]
    inside_NHW &= (torch.rand(num_rows, generator=draw) < CUT_SHARE)[:, None, None]
    return torch.where(inside_NHW[..., None], image.mean(dim=(1, 2), keepdim=True), image)
