"""Networks that judge pictures in a loss: fixed, trained by others, never part of a system.

mien ships no weights of them. A loss whose network has no weights is left out by the recipe.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from mien.errors import InputError
from mien.nn.losses import imagenet_normalised


class Judge:
    """A fixed network beside a system: not saved with it, not counted, on the picture's device."""

    def __init__(self, network: nn.Module, state: Mapping[str, torch.Tensor]):
        """Raises InputError where ``state`` lacks a tensor of the network, or has another shape."""
        wanted = network.state_dict()
        for name, value in wanted.items():
            if name.endswith("num_batches_tracked"):
                continue
            if name not in state:
                raise InputError(f"weights of a {type(network).__name__}: {name} is missing")
            if state[name].shape != value.shape:
                raise InputError(f"weights of a {type(network).__name__}: {name} has another shape")
        network.load_state_dict({name: state.get(name, wanted[name]) for name in wanted})
        self.network = network.eval().requires_grad_(False)

    def __call__(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Features of pictures (N, 3, H, W) 0..1."""
        return self.network.to(image.device)(image.float())


class Vgg(nn.Module):
    """Maps of a network of Simonyan and Zisserman (2015) after some of its layers.

    WIDTHS: of its 3 x 3 convolutions; 0 halves the map. ENDS: numbers of the layers, as torchvision
    counts them; parameter names are torchvision's, too, so that its ImageNet weights fit.
    """

    WIDTHS: ClassVar[tuple[int, ...]]
    ENDS: ClassVar[tuple[int, ...]]

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width in self.WIDTHS:
            if width:
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
                inputs = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        x, maps = imagenet_normalised(image), []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.ENDS:
                maps.append(x)
        return maps


class Vgg16(Vgg):
    """Maps after relu1_2, 2_2, 3_3 and 4_3 of VGG-16."""

    WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512)
    ENDS = (3, 8, 15, 22)


class Vgg19(Vgg):
    """Maps after relu1_1, 2_1, 3_1, 4_1 and 5_1 of VGG-19."""

    WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)
    ENDS = (1, 6, 11, 20, 29)


class Bottleneck(nn.Module):
    """The bottleneck block of He et al. (2016), which halves in its 3 x 3 convolution."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = (
            nn.Identity()
            if stride == 1 and inputs == 4 * width
            else nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        return (self.downsample(x) + self.bn3(self.conv3(y))).relu()


class ResNet50(nn.Module):
    """Mean features (N, 2048) of ResNet-50; parameter names are torchvision's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        inputs = 64
        for number, (width, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
            blocks = []
            for i in range(depth):
                blocks.append(Bottleneck(inputs, width, 2 if i == 0 and number > 1 else 1))
                inputs = 4 * width
            self.add_module(f"layer{number}", nn.Sequential(*blocks))

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        x = nn.functional.max_pool2d(self.bn1(self.conv1(image)).relu(), 3, 2, 1)
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return [x.mean((2, 3))]


def feature_distance(judge: Judge, image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Sum over the maps of their mean absolute difference; the target's gradient is not taken."""
    with torch.no_grad():
        wanted = judge(target)
    pairs = zip(judge(image), wanted, strict=True)
    return torch.stack([(found - told).abs().mean() for found, told in pairs]).sum()
