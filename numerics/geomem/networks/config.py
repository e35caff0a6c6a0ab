"""What is trained, and how: architectures and recipes."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from geomem.core.arguments import refuse_traced
from geomem.core.status import InputError

_LARGEST = 1 << 16  # width, number of channels and the like
GROUPS = 8  # of channels that are normalized together


@dataclass(frozen=True, kw_only=True)
class MLP:
    """The residual network of arXiv:2410.08727, for data of any dimension.

    Sines and cosines of the noise go through a perceptron of two layers, whose output each of `num_blocks` residual
    blocks adds to its hidden layer. Two things differ from the published network unless they are set to False:
    `scale_inputs`, since raw points at sigma = 50 swamp those at small sigma, and `embed_logarithm`, since all small
    values of sigma itself look the same.

    Raises:
        InputError: for a width or number that is not a positive integer, or an odd `embedding`.
    """

    width: int = 128
    """Width of the hidden layers; narrower than the data, it cannot predict all noise."""
    num_blocks: int = 2
    """Number of residual blocks."""
    embedding: int = 128
    """Number of sines and cosines of the noise level, even."""
    embedding_width: int = 512
    """Width of the perceptron that they go through."""
    scale_inputs: bool = True
    """Whether a noised point is divided by sqrt(1 + sigma^2), sigma its noise standard deviation."""
    embed_logarithm: bool = True
    """Whether the sines are those of ln sigma, with waves from 40 to 0.5, instead of sigma."""

    def __post_init__(self) -> None:
        _check_sizes(self, ("width", "num_blocks", "embedding", "embedding_width"))


@dataclass(frozen=True, kw_only=True)
class UNet:
    """A convolutional network for images of `image_shape` = (height, width, colours), given as flat points.

    Each of `num_levels` levels but the last halves the image, and doubles the channels at first. Inputs are scaled
    and sigma is embedded as in `MLP`.

    Raises:
        InputError: for a number that is not a positive integer, an odd `embedding`, `channels` that are no multiple of
            8, or an image that cannot be halved so often.
    """

    image_shape: tuple[int, int, int] = (8, 8, 1)
    """Height, width and colours of the images."""
    channels: int = 32
    """Channels of the first level, a multiple of 8."""
    num_levels: int = 3
    """Number of levels, each of which but the last halves the image."""
    embedding: int = 64
    """Number of sines and cosines of the noise level, even."""
    embedding_width: int = 128
    """Width of the perceptron that they go through."""

    def __post_init__(self) -> None:
        _check_sizes(self, ("channels", "num_levels", "embedding", "embedding_width"))
        shape = _check_shape(self)
        if self.channels % GROUPS:
            raise InputError(f"channels is {self.channels}; it must be a multiple of {GROUPS}")
        halvings = self.num_levels - 1
        if shape[0] % 2**halvings or shape[1] % 2**halvings:
            raise InputError(
                f"an image of {shape[0]} by {shape[1]} pixels cannot be halved {halvings} times; lower num_levels"
            )


@dataclass(frozen=True, kw_only=True)
class ResNet:
    """A network of convolutions alone, for images of `image_shape` = (height, width, colours), given as flat points.

    Zero padding, no attention, no level of fewer pixels, and no normalization over pixels: a pixel of the output sees
    the square of `receptive_field` = 2 `num_blocks` + 3 pixels around its own and nothing else. A convolution of 3 by 3
    pixels is followed by residual blocks of one more each and by a map of every pixel's channels to its colours, as in
    arXiv:2412.20292, but that the channels of a pixel are normalized before every block. Inputs are scaled and sigma is
    embedded as in `MLP`.

    Raises:
        InputError: for a number that is not a positive integer, or an odd `embedding`.
    """

    image_shape: tuple[int, int, int] = (8, 8, 1)
    """Height, width and colours of the images."""
    channels: int = 32
    """Channels of every pixel."""
    num_blocks: int = 6
    """Number of residual blocks."""
    embedding: int = 64
    """Number of sines and cosines of the noise level, even."""
    embedding_width: int = 128
    """Width of the perceptron that they go through."""

    def __post_init__(self) -> None:
        _check_sizes(self, ("channels", "num_blocks", "embedding", "embedding_width"))
        _check_shape(self)

    @property
    def receptive_field(self) -> int:
        """Side of the square of pixels that a pixel of the output sees."""
        return 2 * self.num_blocks + 3


def _is_count(value: object, most: float | int = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _check_shape(config: UNet | ResNet) -> tuple[int, ...]:
    """The shape of the images, which becomes a tuple."""
    shape = tuple(config.image_shape)
    object.__setattr__(config, "image_shape", shape)
    if len(shape) != 3 or not all(_is_count(size, _LARGEST) for size in shape):
        raise InputError(f"image_shape is {shape}; it must be three positive integers: height, width and colours")
    return shape


def _check_sizes(config: MLP | UNet | ResNet, names: tuple[str, ...]) -> None:
    for name in names:
        refuse_traced(getattr(config, name), name)
        if not _is_count(getattr(config, name), _LARGEST):
            raise InputError(f"{name} is {getattr(config, name)!r}; it must be a positive integer up to {_LARGEST}")
    if config.embedding % 2:
        raise InputError(f"embedding is {config.embedding}; it must be even: sines and cosines")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What is trained, and how: by default as published (arXiv:2410.08727), but for the inputs of the network.

    Raises:
        InputError: for a number outside its range.
    """

    network: MLP | UNet | ResNet
    """Its architecture."""
    num_steps: int
    """Number of steps; a training that has come so far may go on with more."""
    batch_size: int = 128
    """Noised points of one step, drawn with replacement."""
    points_per_level: int = 8
    """How many of them share a noise level: the embedding, most of the work of an MLP, is done once per level. 1 and
    independent levels is the published choice; here they are one in each of equal intervals of ln sigma."""
    learning_rate: float = 1e-4
    """Learning rate of RAdam."""
    ema_decay: float = 0.9999
    """Decay of the moving average of the weights, in one step."""
    sigma_min: float = 0.01
    """Least standard deviation of the noise, which is log-uniform."""
    sigma_max: float = 50.0
    """Largest standard deviation of the noise."""

    def __post_init__(self) -> None:
        for name in ("num_steps", "batch_size", "points_per_level"):
            if not _is_count(value := getattr(self, name)):
                raise InputError(f"{name} is {value!r}; it must be a positive integer")
        if self.batch_size % self.points_per_level:
            raise InputError(
                f"batch_size is {self.batch_size}; it must be a multiple of points_per_level, {self.points_per_level}"
            )
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate is {self.learning_rate}; it must be positive")
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"ema_decay is {self.ema_decay}; it must be at least 0 and below 1")
        # Their squares are float32 numbers.
        if not 1e-18 <= self.sigma_min < self.sigma_max <= 1e18:
            raise InputError(
                f"sigma runs from {self.sigma_min} to {self.sigma_max}; give sigma_min < sigma_max, from 1e-18 to 1e18"
            )


def config_record(config: TrainConfig) -> dict[str, Any]:
    """What a record says of a training's configuration."""
    return asdict(config) | {"network": {"kind": type(config.network).__name__} | asdict(config.network)}
