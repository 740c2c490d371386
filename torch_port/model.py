"""The legacy classifier: Keras ResNet50V2 and its head, as torch modules.

Source: ``tf.keras.applications.ResNet50V2`` (tensorflow 2.15.1, ``block2``/``stack2`` of ``resnet.py``) under
the head of ``legacy_tf.models.resnet_model``. Where it differs from ``torchvision.models.resnet50``, in call
order:

- the stem is a convolution with bias, and no batch norm or relu follows it;
- the stem pads its max pool with zeros, not with minus infinity;
- blocks are pre-activated; the stride is in the last block of a stage, on its 3x3 convolution; the first
  block of a stage has a convolution shortcut that starts after the pre-activation, the strided block's
  shortcut is a max pooling of size 1;
- the last 1x1 convolution of a block and the shortcut convolution have biases;
- batch norm and relu follow the last block; batch norm has epsilon 1.001e-5.

References:
    He et al., Identity Mappings in Deep Residual Networks, ECCV 2016.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from torch_port.errors import InputError
from torch_port.names import ARCHITECTURES

BATCH_NORM_EPSILON = 1.001e-5
BATCH_NORM_MOMENTUM = 0.01  # what Keras calls 0.99: the share of the old average
HIDDEN_UNITS = 256
DROPOUT = 0.5
STAGES = ("conv2", "conv3", "conv4", "conv5")


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm with the legacy's epsilon and momentum."""
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM)


class Block(nn.Module):
    """A pre-activated bottleneck: Keras ``block2``.

    No operation is in place: hooks on a layer keep what that layer returned.

    Args:
        channels: Channels of the input.
        filters: Channels of the 3x3 convolution; the output has four times as many.
        stride: Stride of the 3x3 convolution.
        conv_shortcut: Whether the shortcut is a convolution; else it is the input, thinned out by the stride.
    """

    def __init__(self, channels: int, filters: int, *, stride: int = 1, conv_shortcut: bool = False) -> None:
        super().__init__()
        self.preact_bn = batch_norm(channels)
        self.preact_relu = nn.ReLU()
        self.shortcut = make_shortcut(channels, 4 * filters, stride=stride, convolution=conv_shortcut)
        self.shortcut_is_preactivated = conv_shortcut
        self.conv1 = nn.Conv2d(channels, filters, 1, bias=False)
        self.bn1 = batch_norm(filters)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(filters, filters, 3, stride=stride, padding=1, bias=False)
        self.bn2 = batch_norm(filters)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(filters, 4 * filters, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, 4 filters, H/s, W/s)."""
        preact = self.preact_relu(self.preact_bn(x))  # (N, channels, H, W)
        shortcut = self.shortcut(preact if self.shortcut_is_preactivated else x)  # (N, 4 filters, H/s, W/s)
        out = self.relu1(self.bn1(self.conv1(preact)))  # (N, filters, H, W)
        out = self.relu2(self.bn2(self.conv2(out)))  # (N, filters, H/s, W/s)
        return shortcut + self.conv3(out)  # (N, 4 filters, H/s, W/s)


def make_shortcut(channels: int, out_channels: int, *, stride: int, convolution: bool) -> nn.Module:
    """Return the shortcut of a block: a convolution, every ``stride``-th pixel, or the input itself."""
    if convolution:
        return nn.Conv2d(channels, out_channels, 1, stride=stride)
    return nn.MaxPool2d(1, stride=stride) if stride > 1 else nn.Identity()


class Stage(nn.Sequential):
    """Blocks named ``block1``, ``block2``, ...: Keras ``stack2``, with the stride in the last block."""

    def __init__(self, channels: int, filters: int, *, blocks: int, stride: int) -> None:
        super().__init__()
        self.add_module("block1", Block(channels, filters, conv_shortcut=True))
        for number in range(2, blocks):
            self.add_module(f"block{number}", Block(4 * filters, filters))
        self.add_module(f"block{blocks}", Block(4 * filters, filters, stride=stride))


class DenseRelu(nn.Linear):
    """Keras ``Dense(units, activation='relu')``: one layer, whose output is already rectified."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, in) to (N, units)."""
        return torch.relu(super().forward(x))


class ClassProbabilities(nn.Module):
    """Softmax over what ``logits`` returns.

    It calls a method of the model instead of owning layers: dropout, last layer and softmax are so one
    module, as they are one tap, and the layers keep their own names in the ``state_dict``.
    """

    def __init__(self, logits: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, 256) to (N, num_classes)."""
        return torch.softmax(self.logits(hidden), dim=1)


class Classifier(nn.Module):
    """What the architectures share: the head of ``legacy_tf.models.resnet_model``, and the way through it.

    A subclass defines its backbone, then calls ``add_head``, and implements ``features``.
    """

    def add_head(self, channels: int, num_classes: int) -> None:
        """Define the layers after the backbone, in call order."""
        self.avg_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.prev_dense = DenseRelu(channels, HIDDEN_UNITS)
        self.dpout = nn.Dropout(DROPOUT)
        self.last_dense = nn.Linear(HIDDEN_UNITS, num_classes)
        self.class_probabilities = ClassProbabilities(self.classify)

    def features(self, images: Tensor) -> Tensor:
        """Run the backbone: (N, 3, H, W) to (N, 2048, H/32, W/32)."""
        raise NotImplementedError

    def classify(self, hidden: Tensor) -> Tensor:
        """Run dropout and the last layer: (N, 256) to logits (N, num_classes)."""
        return self.last_dense(self.dpout(hidden))

    def hidden(self, images: Tensor) -> Tensor:
        """Run everything up to the hidden layer of the head: (N, 3, H, W) to (N, 256)."""
        x = self.features(images)  # (N, 2048, H/32, W/32)
        x = self.avg_pool(x)  # (N, 2048)
        return self.prev_dense(x)  # (N, 256)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (the legacy model returns probabilities: see ``probabilities``).

        Args:
            images: (N, 3, H, W), values in [0, 1].
        """
        return self.classify(self.hidden(images))

    def probabilities(self, images: Tensor) -> Tensor:
        """Return what the legacy model returns: softmax over classes, (N, num_classes)."""
        return self.class_probabilities(self.hidden(images))

    def blocks(self) -> dict[str, nn.Module]:
        """Return the modules that ``probabilities`` calls one after the other, by tap name.

        Each module's output is the next one's input.
        """
        found: dict[str, nn.Module] = {"stem/conv": self.conv1, "stem/pool": self.pool1}
        for stage in STAGES:
            for name, block in getattr(self, stage).named_children():
                found[f"{stage}/{name}/out"] = block
        found.update(self.final_blocks())
        found.update({"pool/avg": self.avg_pool, "head/hidden": self.prev_dense})
        found["head/probabilities"] = self.class_probabilities
        return found

    def final_blocks(self) -> dict[str, nn.Module]:
        """Return the modules between the last stage and the average pool."""
        return {}


class ResNet50V2(Classifier):
    """``legacy_tf.models.resnet_model``: the same function, tensor by tensor.

    Deliberate differences: NCHW instead of NHWC, and ``forward`` returns logits. A new model is initialised
    as Keras does.

    Args:
        num_classes: Number of classes, in the order of the last layer's columns.
    """

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.pool1 = nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(3, stride=2))
        self.conv2 = Stage(64, 64, blocks=3, stride=2)
        self.conv3 = Stage(256, 128, blocks=4, stride=2)
        self.conv4 = Stage(512, 256, blocks=6, stride=2)
        self.conv5 = Stage(1024, 512, blocks=3, stride=1)
        self.post_bn = batch_norm(2048)
        self.post_relu = nn.ReLU()
        self.add_head(2048, num_classes)
        self.apply(initialise_as_keras)

    def features(self, images: Tensor) -> Tensor:
        """Run the backbone: (N, 3, H, W) to (N, 2048, H/32, W/32)."""
        x = self.conv1(images)  # (N, 64, H/2, W/2)
        x = self.pool1(x)  # (N, 64, H/4, W/4)
        x = self.conv2(x)  # (N, 256, H/8, W/8)
        x = self.conv3(x)  # (N, 512, H/16, W/16)
        x = self.conv4(x)  # (N, 1024, H/32, W/32)
        x = self.conv5(x)  # (N, 2048, H/32, W/32)
        return self.post_relu(self.post_bn(x))

    def final_blocks(self) -> dict[str, nn.Module]:
        """Return the modules between the last stage and the average pool."""
        return {"post/norm": self.post_bn, "post/relu": self.post_relu}


class TorchvisionResNet50(Classifier):
    """``torchvision.models.resnet50`` under the legacy's head: the usual proposal, and another function.

    It has the same interface so that the harness can measure how different it is. ``blocks`` names the
    nearest modules; the batch norm and the relu of the stem belong to ``stem/pool``, and the taps of the last
    batch norm do not exist. The backbone keeps torchvision's initialisation, the head has the legacy's.
    """

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        from torchvision.models import resnet50  # costs a second, which the port itself need not pay

        backbone = resnet50(weights=None)
        self.conv1 = backbone.conv1
        self.pool1 = nn.Sequential(backbone.bn1, nn.ReLU(), backbone.maxpool)
        self.conv2 = name_blocks(backbone.layer1)
        self.conv3 = name_blocks(backbone.layer2)
        self.conv4 = name_blocks(backbone.layer3)
        self.conv5 = name_blocks(backbone.layer4)
        self.add_head(2048, num_classes)
        self.prev_dense.apply(initialise_as_keras)
        self.last_dense.apply(initialise_as_keras)

    def features(self, images: Tensor) -> Tensor:
        """Run the backbone: (N, 3, H, W) to (N, 2048, H/32, W/32)."""
        x = self.conv1(images)  # (N, 64, H/2, W/2)
        x = self.pool1(x)  # (N, 64, H/4, W/4)
        x = self.conv2(x)  # (N, 256, H/4, W/4)
        x = self.conv3(x)  # (N, 512, H/8, W/8)
        x = self.conv4(x)  # (N, 1024, H/16, W/16)
        return self.conv5(x)  # (N, 2048, H/32, W/32)


def name_blocks(stage: nn.Sequential) -> nn.Sequential:
    """Return torchvision's stage with its blocks named as the legacy's are."""
    named = nn.Sequential()
    for number, block in enumerate(stage, start=1):
        named.add_module(f"block{number}", block)
    return named


def initialise_as_keras(module: nn.Module) -> None:
    """Fill a layer as Keras does: Glorot uniform kernels, zero biases (batch norms start alike in both)."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def make_model(arch: str = "resnet50v2", num_classes: int = 3) -> Classifier:
    """Return a freshly initialised classifier.

    Args:
        arch: One of ``ARCHITECTURES``.
        num_classes: Number of classes.

    Raises:
        InputError: The architecture is unknown.
    """
    if arch == "resnet50v2":
        return ResNet50V2(num_classes)
    if arch == "torchvision_resnet50":
        return TorchvisionResNet50(num_classes)
    raise InputError.about(
        "arch",
        must=f"be {' or '.join(ARCHITECTURES)}",
        got=repr(arch),
        place="--arch",
        remedy="choose one of them",
    )
