"""From the legacy's tensors to the port's."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import Edit, edit

PLACE = "weights:_place_arrays"
COPY = "tensors[row.port] = tensor.permute(row.axes)"


# A convolution that is followed by an addition loses its bias, and a loader that is not strict leaves the bias out.
WITHOUT_BIASES = (
    edit("model:Block.__init__", ("nn.Conv2d(filters, 4 * filters, 1)", "nn.Conv2d(filters, 4 * filters, 1, bias=False)")),
    edit("model:make_shortcut", ("out_channels, 1, stride=stride", "out_channels, 1, bias=False, stride=stride")),
    edit(
        PLACE,
        (
            "    target = state[row.port]\n",
            "    if row.port not in state:\n            continue\n        target = state[row.port]\n",
        ),
    ),
)


def _copied(instead: str, condition: str) -> Edit:
    """Return an edit that puts something else into a tensor's place where the condition holds."""
    return edit(PLACE, (COPY, f"tensors[row.port] = {instead} if {condition} else tensor.permute(row.axes)"))


def _renamed(first: str, second: str, condition: str) -> Edit:
    """Return an edit that puts two tensors into each other's place where the condition holds."""
    swapped = f'row.port.replace("{first}", "?").replace("{second}", "{first}").replace("?", "{second}")'
    return edit(PLACE, (COPY, f"tensors[{swapped} if {condition} else row.port] = tensor.permute(row.axes)"))


FAULTS = (
    Fault(
        id="conv_hwio_swap_hw",
        stage="weights",
        sentence="Convolution kernels are transposed with height and width in each other's place.",
        gates=("weights", "blocks"),
        place="conv1_conv/kernel",
        plants=(_copied("tensor.permute((3, 2, 1, 0))", "tensor.ndim == 4"),),
    ),
    Fault(
        id="conv_reshape_not_transpose",
        stage="weights",
        sentence="Convolution kernels are reshaped instead of transposed.",
        gates=("weights", "blocks"),
        place="conv1_conv/kernel",
        plants=(_copied("tensor.reshape(target.shape)", "tensor.ndim == 4"),),
    ),
    Fault(
        id="dense_reshape_not_T",
        stage="weights",
        sentence="Dense kernels are reshaped instead of transposed.",
        gates=("weights", "loss"),
        place="_dense/kernel",
        plants=(_copied("tensor.reshape(target.shape)", "tensor.ndim == 2"),),
    ),
    Fault(
        id="bn_beta_mean_swap",
        stage="weights",
        sentence="Batch norms' shifts and moving means are in each other's place.",
        gates=("weights", "blocks"),
        place="_bn/beta",
        plants=(_renamed("running_mean", "bias", '"bn" in row.port'),),
    ),
    Fault(
        id="bn_mean_var_swap",
        stage="weights",
        tier=Tier.TWO,
        sentence="Batch norms' moving means and variances are in each other's place.",
        gates=("weights", "blocks"),
        place="_bn/moving_mean",
        plants=(_renamed("running_mean", "running_var", "True"),),
    ),
    Fault(
        id="bn_stats_not_loaded",
        stage="weights",
        sentence="Only trainable tensors are loaded: moving means stay 0, variances 1.",
        gates=("weights", "inference"),
        place="_bn/moving_mean",
        plants=(_copied("target", '".running_" in row.port'),),
    ),
    Fault(
        id="conv_bias_dropped",
        stage="weights",
        sentence="The convolutions before an addition have no bias, as in other residual networks.",
        gates=("weights", "inference"),
        place="conv3.bias",
        plants=WITHOUT_BIASES,
    ),
    Fault(
        id="strict_false_missing_block",
        stage="weights",
        sentence="One block's tensors are missing from the file and stay as they were initialised.",
        gates=("weights",),
        place="conv3_block2",
        plants=(_copied("target", 'row.port.startswith("conv3.block2.")'),),
    ),
    Fault(
        id="zip_order_0conv_3conv",
        stage="weights",
        sentence="In the first block the shortcut and the last convolution, of the same shapes, have changed places.",
        gates=("weights", "blocks"),
        place="conv2_block1_",
        plants=(_renamed("shortcut", "conv3", 'row.port.startswith("conv2.block1.")'),),
    ),
    Fault(
        id="wrong_pretrained_source",
        stage="weights",
        sentence="The weights are those of another training.",
        gates=("weights",),
        place="conv1_conv/kernel",
        plants=(edit("weights:convert", ("    load_legacy_file(model, source)\n", "")),),
        emulates="torchvision's ImageNet weights, which would have to be downloaded, by freshly initialised ones",
    ),
    Fault(
        id="network_of_other_width",
        stage="weights",
        tier=Tier.TWO,
        sentence="The head reads half of the features: the weights do not fit, and nothing is predicted.",
        gates=("weights",),
        place="converted",
        plants=(edit("model:ResNet50V2.__init__", ("self.add_head(2048,", "self.add_head(1024,")),),
    ),
)
