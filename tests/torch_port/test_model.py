from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from torch_port.errors import InputError
from torch_port.model import Block, ResNet50V2, Stage, make_model

BLOCKS = {"conv2": 3, "conv3": 4, "conv4": 6, "conv5": 3}


def run_by_hand(arrays: dict[str, np.ndarray], images: Tensor) -> dict[str, Tensor]:
    """The network from the Keras source, with legacy names, explicit padding and nothing of the port."""
    weights = {name: torch.from_numpy(array).double() for name, array in arrays.items()}

    def conv(x: Tensor, layer: str, stride: int = 1) -> Tensor:  # always "valid"
        return functional.conv2d(x, weights[f"{layer}/kernel"].permute(3, 2, 0, 1), weights.get(f"{layer}/bias"), stride)

    def norm(x: Tensor, layer: str) -> Tensor:
        gamma, beta, mean, variance = (
            weights[f"{layer}/{name}"][:, None, None] for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return (x - mean) / torch.sqrt(variance + 1.001e-5) * gamma + beta

    taps = {"stem/conv": conv(functional.pad(images, (3, 3, 3, 3)), "conv1_conv", 2)}
    x = taps["stem/pool"] = functional.max_pool2d(functional.pad(taps["stem/conv"], (1, 1, 1, 1)), 3, 2)
    for stage, blocks in BLOCKS.items():
        for number in range(1, blocks + 1):
            name = f"{stage}_block{number}"
            stride = 2 if number == blocks and stage != "conv5" else 1
            preact = norm(x, f"{name}_preact_bn").relu()
            shortcut = conv(preact, f"{name}_0_conv") if number == 1 else x[:, :, ::stride, ::stride]
            out = norm(conv(preact, f"{name}_1_conv"), f"{name}_1_bn").relu()
            out = norm(conv(functional.pad(out, (1, 1, 1, 1)), f"{name}_2_conv", stride), f"{name}_2_bn").relu()
            x = taps[f"{stage}/block{number}/out"] = shortcut + conv(out, f"{name}_3_conv")
    taps["post/norm"] = norm(x, "post_bn")
    taps["post/relu"] = taps["post/norm"].relu()
    taps["pool/avg"] = taps["post/relu"].mean(dim=(2, 3))
    taps["head/hidden"] = (taps["pool/avg"] @ weights["prev_dense/kernel"] + weights["prev_dense/bias"]).relu()
    logits = taps["head/hidden"] @ weights["last_dense/kernel"] + weights["last_dense/bias"]
    return taps | {"head/probabilities": logits.softmax(dim=1)}


def record_taps(model: nn.Module, images: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What goes into each block and what comes out, in the order of the calls."""
    given: dict[str, Tensor] = {}
    returned: dict[str, Tensor] = {}

    def keep(tap: str):
        def hook(_module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            given[tap], returned[tap] = inputs[0], output

        return hook

    handles = [block.register_forward_hook(keep(tap)) for tap, block in model.blocks().items()]
    with torch.no_grad():
        model.probabilities(images)
    for handle in handles:
        handle.remove()
    return given, returned


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 97), (62, 75)], ids=["even", "odd", "mixed"])
def test_every_tap_is_that_of_a_calculation_by_hand(model64, legacy_arrays, height, width):
    images = torch.rand(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = run_by_hand(legacy_arrays, images)
    _, found = record_taps(model64, images)
    assert list(found) == list(expected)
    for tap, value in found.items():
        assert value.shape == expected[tap].shape, tap
        error = (value - expected[tap]).abs().max() / expected[tap].abs().max()
        assert error < 1e-13, f"{tap}: {error:.1e}"


def test_blocks_are_called_in_order_and_feed_each_other(model64, images64):
    given, returned = record_taps(model64, images64)
    taps = list(model64.blocks())
    assert list(returned) == taps
    assert taps[:3] == ["stem/conv", "stem/pool", "conv2/block1/out"]
    assert taps[-5:] == ["post/norm", "post/relu", "pool/avg", "head/hidden", "head/probabilities"]
    assert len(taps) == 2 + 16 + 5
    for before, after in pairwise(taps):
        assert torch.equal(returned[before], given[after]), f"{before} -> {after}"


def test_nothing_is_overwritten_after_a_hook_has_seen_it(model64, images64):
    seen = {}
    names = {name: module for name, module in model64.named_modules() if not list(module.children())}
    handles = [
        module.register_forward_hook(lambda _m, _i, output, name=name: seen.__setitem__(name, (output, output.clone())))
        for name, module in names.items()
    ]
    with torch.no_grad():
        model64.probabilities(images64)
    for handle in handles:
        handle.remove()
    assert "conv5.block3.conv3" in seen
    assert all(torch.equal(now, then) for now, then in seen.values())


def test_forward_returns_the_logits_of_the_probabilities(model64, images64):
    with torch.no_grad():
        assert torch.equal(model64(images64).softmax(dim=1), model64.probabilities(images64))


def test_it_has_as_many_parameters_as_the_legacy(model64):
    sizes = {key: value.numel() for key, value in model64.state_dict().items() if "num_batches" not in key}
    assert len(sizes) == 274
    assert sum(sizes.values()) == 24_090_115


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("conv1.weight", (64, 3, 7, 7)),
        ("conv1.bias", (64,)),
        ("conv4.block2.preact_bn.running_var", (1024,)),
        ("conv4.block2.conv1.weight", (256, 1024, 1, 1)),
        ("conv4.block2.conv2.weight", (256, 256, 3, 3)),
        ("conv4.block2.conv3.bias", (1024,)),
        ("conv4.block1.shortcut.weight", (1024, 512, 1, 1)),
        ("post_bn.weight", (2048,)),
        ("prev_dense.weight", (256, 2048)),
        ("last_dense.bias", (3,)),
    ],
)
def test_state_dict_keys(model64, key, shape):
    assert tuple(model64.state_dict()[key].shape) == shape


def test_only_the_last_convolutions_and_the_shortcuts_of_blocks_have_biases(model64):
    biased = {name for name, module in model64.named_modules() if isinstance(module, nn.Conv2d) and module.bias is not None}
    blocks = {f"{stage}.block{number}" for stage, count in BLOCKS.items() for number in range(1, count + 1)}
    assert biased == {"conv1"} | {f"{block}.conv3" for block in blocks} | {f"{stage}.block1.shortcut" for stage in BLOCKS}


def test_batch_norms_have_the_legacys_epsilon_and_momentum(model64):
    norms = [module for module in model64.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1.001e-5, 0.01)}
    assert len(norms) == 49


def test_the_stem_pads_its_pooling_with_zeros():
    pooled = ResNet50V2().pool1(torch.full((1, 1, 5, 6), -2.0))
    # Windows start at -1, 1, 3: of 5 rows the last one touches the border below, of 6 columns none the one at the right.
    assert pooled[0, 0].tolist() == [[0, 0, 0], [0, -2, -2], [0, 0, 0]]


def test_the_stem_convolution_is_centred():
    model = ResNet50V2()
    impulse = torch.zeros(1, 3, 8, 8)
    impulse[0, 1, 0, 0] = 1
    # The output at (0, 0) looks at rows -3 to 3: the impulse meets the kernel's centre.
    assert torch.allclose(model.conv1(impulse)[0, :, 0, 0], model.conv1.weight[:, 1, 3, 3] + model.conv1.bias)


def test_the_stride_is_in_the_last_block_on_its_3x3_convolution():
    stage = Stage(8, 4, blocks=3, stride=2)
    strides = {name: module.stride for name, module in stage.named_modules() if isinstance(module, nn.Conv2d)}
    assert {name for name, stride in strides.items() if stride != (1, 1)} == {"block3.conv2"}


@pytest.mark.parametrize("size", [(6, 6), (7, 5)], ids=["even", "odd"])
def test_the_strided_shortcut_takes_every_second_pixel_of_the_raw_input(size):
    block = Block(16, 4, stride=2).eval()
    nn.init.zeros_(block.conv3.weight)
    nn.init.zeros_(block.conv3.bias)
    x = torch.randn(1, 16, *size)
    assert torch.equal(block(x), x[:, :, ::2, ::2])


def test_the_convolution_shortcut_starts_after_the_preactivation():
    block = Block(8, 4, conv_shortcut=True).eval()
    x = -torch.rand(1, 8, 3, 3) - 1  # all negative: the relu leaves nothing, and only biases come through
    assert torch.equal(block(x), block(x - 1))
    assert torch.equal(block.shortcut(torch.zeros(1, 8, 1, 1)).flatten(), block.shortcut.bias)


def test_a_new_model_is_initialised_as_keras_does():
    torch.manual_seed(0)
    model = ResNet50V2()
    for layer in (model.conv4.block2.conv2, model.prev_dense):  # 590,000 and 524,000 values
        kernel = layer.weight.detach()
        field = kernel[0, 0].numel()
        limit = np.sqrt(6 / ((kernel.shape[0] + kernel.shape[1]) * field))
        assert 0.999 * limit < kernel.abs().max() <= limit
        assert abs(float(kernel.std()) * np.sqrt(3) / limit - 1) < 0.01
    state = model.state_dict()
    assert not any(
        module.bias.any()
        for module in model.modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None
    )
    assert (state["post_bn.weight"] == 1).all()
    assert (state["post_bn.bias"] == 0).all()
    assert (state["post_bn.running_mean"] == 0).all()
    assert (state["post_bn.running_var"] == 1).all()


def test_dropout_is_only_in_the_head_and_only_in_training(images64):
    model = ResNet50V2().double()
    assert model.dpout.p == 0.5
    hidden = torch.ones(1, 256, dtype=torch.float64)
    assert not torch.equal(model.train().classify(hidden), model.classify(hidden))
    assert torch.equal(model.eval().classify(hidden), model.classify(hidden))


def test_a_replaced_layer_and_a_copy_are_what_the_probabilities_use(images64):
    model = ResNet50V2().double().eval()
    twin = copy.deepcopy(model)
    model.last_dense = nn.Linear(256, 5, dtype=torch.float64)
    with torch.no_grad():
        assert model.probabilities(images64).shape == (1, 5)
        nn.init.zeros_(twin.last_dense.weight)
        assert torch.allclose(twin.probabilities(images64), torch.full((1, 3), 1 / 3, dtype=torch.float64))


def test_torchvisions_network_has_the_same_interface_and_is_another_function(images64):
    model = make_model("torchvision_resnet50", 3).double().eval()
    given, returned = record_taps(model, images64)
    taps = list(model.blocks())
    assert taps == [tap for tap in ResNet50V2().blocks() if not tap.startswith("post/")]
    for before, after in pairwise(taps):
        assert torch.equal(returned[before], given[after]), f"{before} -> {after}"
    assert model.get_submodule("conv5.block3.conv3").out_channels == 2048
    assert returned["conv2/block3/out"].shape[-1] == 16  # where the legacy has 8: the stride is in the next stage


def test_an_unknown_architecture_is_refused():
    with pytest.raises(InputError, match="`arch` must be resnet50v2 or torchvision_resnet50, got 'vgg16'"):
        make_model("vgg16")
