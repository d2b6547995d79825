"""The network of `cnn`: its shape as data and its layers. Imports torch."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import relu

from assay.spec.strict import Strict


class Shape(Strict):
    """What the network looks like; bounded, since it may come from a stranger."""

    height: int = Field(ge=1, le=1_024)
    width: int = Field(ge=1, le=1_024)
    channels: int = Field(ge=1, le=4)
    num_outputs: int = Field(ge=1, le=100_000)
    regression: bool
    first_width: int = Field(ge=4, le=1_024)
    stages: tuple[int, ...] = Field(min_length=1, max_length=6)  # blocks of each; every later one halves the sides
    stride: int = Field(ge=1, le=4)  # of the first layer
    dropout: float = Field(ge=0, lt=0.95)
    pixel_mean: float = Field(ge=-1, le=2)  # of the training images, 0 to 1
    pixel_std: float = Field(gt=0, le=2)
    label_mean: float = 0.0
    label_std: float = Field(1.0, gt=0)


class Block(nn.Module):
    """Two convolutions beside a way around them.

    Source: He et al. 2016, "Deep residual learning for image recognition".
    """

    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(num_in, num_out, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(num_out)
        self.second = nn.Conv2d(num_out, num_out, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(num_out)
        self.around = nn.Identity() if num_in == num_out and stride == 1 else _shortcut(num_in, num_out, stride)
        nn.init.zeros_(self.second_norm.weight)  # each block begins as the way around it

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the changed maps."""
        inner_NCHW = relu(self.first_norm(self.first(x_NCHW)))
        return relu(self.second_norm(self.second(inner_NCHW)) + self.around(x_NCHW))


def _shortcut(num_in: int, num_out: int, stride: int) -> nn.Module:
    pool = [nn.AvgPool2d(stride, ceil_mode=True)] if stride > 1 else []
    return nn.Sequential(*pool, nn.Conv2d(num_in, num_out, 1, bias=False), nn.BatchNorm2d(num_out))


class ResidualNet(nn.Module):
    """A first layer, stages of blocks, and the mean and the maximum over the places of the last maps."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.first_width
        self.stem = nn.Conv2d(shape.channels, width, 2 * shape.stride + 1, shape.stride, shape.stride, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        blocks: list[nn.Module] = []
        num_in = width
        for stage, num_blocks in enumerate(shape.stages):
            for block in range(num_blocks):
                blocks.append(Block(num_in, width << stage, 2 if stage and not block else 1))
                num_in = width << stage
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(2 * num_in, shape.num_outputs)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # which stubs of torch leave out

    def forward(self, image: Tensor) -> Tensor:
        """Return output_NK for image_NHWC, numbers from 0 to 1."""
        x_NCHW = ((image - self.shape.pixel_mean) / self.shape.pixel_std).permute(0, 3, 1, 2)
        x_NCHW = self.blocks(relu(self.stem_norm(self.stem(x_NCHW))))
        pooled_NC = torch.cat([x_NCHW.mean(dim=(2, 3)), x_NCHW.amax(dim=(2, 3))], dim=1)
        output_NK: Tensor = self.head(self.dropout(pooled_NC))
        return output_NK


def build(shape: Shape) -> nn.Module:
    """Return the network."""
    return ResidualNet(shape)


def prepare(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return images as numbers from 0 to 1."""
    return {"image": rows["image"].float() / 255}
