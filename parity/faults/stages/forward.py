"""The network, layer by layer."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import Within, edit
from parity.faults.stages.weights import WITHOUT_BIASES

INIT = "model:ResNet50V2.__init__"
BLOCK = "model:Block.__init__"
FORWARD = "model:Block.forward"
HEAD = "model:Classifier.add_head"
NORM = "model:batch_norm"
SHORTCUT = "model:make_shortcut"
POOL = "nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(3, stride=2))"
EPSILON = "eps=BATCH_NORM_EPSILON"
STEM = "self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)"
STRIDED = "self.conv2 = nn.Conv2d(filters, filters, 3, stride=stride, padding=1, bias=False)"
PAD = "register_forward_pre_hook(lambda _, given: (nn.functional.pad(given[0], {}),))"
FAULTS = (
    Fault(
        id="arch_resnet_v1_5",
        stage="forward",
        sentence="torchvision's resnet50 stands in for Keras's ResNet50V2.",
        gates=("weights", "blocks"),
        place="weights/exact/port/names",
        plants=(Within("parity.faults.port_parts:other_architecture", ("torchvision_resnet50",), workspace=True),),
    ),
    Fault(
        id="timm_resnetv2_dropin",
        stage="forward",
        sentence="timm's resnetv2_50 stands in: other strides, padding and epsilon, and no biases in the convolutions.",
        gates=("weights", "blocks"),
        place="weights/exact/port/names",
        plants=(
            *WITHOUT_BIASES,
            edit(INIT, (POOL, "nn.MaxPool2d(3, stride=2, padding=1)")),
            edit(NORM, (EPSILON, "eps=1e-5"), ("momentum=BATCH_NORM_MOMENTUM", "momentum=0.1")),
        ),
        emulates="timm, which is not installed, by its differences",
    ),
    Fault(
        id="stride_first_block",
        stage="forward",
        sentence="The stride is in the first block of a stage instead of the last.",
        gates=("blocks",),
        place="conv2/block1/out",
        plants=(
            edit(
                "model:Stage.__init__",
                ("4 * filters, filters, stride=stride", "4 * filters, filters"),
                ("conv_shortcut=True", "stride=stride, conv_shortcut=True"),
            ),
        ),
    ),
    Fault(
        id="shortcut_from_raw_x",
        stage="forward",
        sentence="A convolution shortcut starts from the block's input instead of after the pre-activation.",
        gates=("blocks",),
        place="conv2/block1/out",
        plants=(edit(FORWARD, ("preact if self.shortcut_is_preactivated else x", "x")),),
    ),
    Fault(
        id="shortcut_pool_variant",
        stage="forward",
        sentence="A strided block's shortcut averages instead of taking every second pixel.",
        gates=("blocks",),
        place="conv2/block3/out",
        plants=(edit(SHORTCUT, ("nn.MaxPool2d(1, stride=stride)", "nn.AvgPool2d(stride, stride, ceil_mode=True)")),),
    ),
    Fault(
        id="pool_pad_neginf",
        stage="forward",
        sentence="The stem's pooling pads with minus infinity instead of zeros.",
        gates=("blocks",),
        place="stem/pool",
        plants=(edit(INIT, (POOL, "nn.MaxPool2d(3, stride=2, padding=1)")),),
    ),
    Fault(
        id="stem_same_padding",
        stage="forward",
        sentence="The stem's convolution pads as TensorFlow's 'same' does: 2 pixels before, 3 after.",
        gates=("blocks",),
        place="stem/conv",
        plants=(
            edit(
                INIT,
                (STEM, f"self.conv1 = nn.Conv2d(3, 64, 7, stride=2)\n    self.conv1.{PAD.format('(2, 3, 2, 3)')}"),
            ),
        ),
    ),
    Fault(
        id="conv3x3_same_padding",
        stage="forward",
        sentence="Strided 3x3 convolutions pad as TensorFlow's 'same' does: on even sizes only at the end.",
        gates=("blocks",),
        place="conv2/block3/out",
        plants=(
            edit(
                BLOCK,
                (
                    STRIDED,
                    "self.conv2 = nn.Conv2d(filters, filters, 3, stride=stride, padding=0 if stride > 1 else 1, bias=False)\n"
                    "    if stride > 1:\n"
                    f"        self.conv2.{PAD.format('(given[0].shape[3] % 2, 1, given[0].shape[2] % 2, 1)')}",
                ),
            ),
        ),
    ),
    Fault(
        id="stem_bn_relu_added",
        stage="forward",
        tier=Tier.TWO,
        sentence="A relu follows the stem's convolution, as in the first version of the network.",
        gates=("blocks",),
        place="stem/pool",
        plants=(edit(INIT, ("nn.Sequential(nn.ZeroPad2d(1)", "nn.Sequential(nn.ReLU(), nn.ZeroPad2d(1)")),),
    ),
    Fault(
        id="preact_relu_missing",
        stage="forward",
        tier=Tier.TWO,
        sentence="The pre-activation has no relu.",
        gates=("blocks",),
        place="conv2/block1/out",
        plants=(edit(BLOCK, ("self.preact_relu = nn.ReLU()", "self.preact_relu = nn.Identity()")),),
    ),
    Fault(
        id="post_bn_missing",
        stage="forward",
        sentence="The batch norm after the last block is passed over, as in the first version of the network.",
        gates=("blocks",),
        place="post/norm",
        plants=(
            edit(
                INIT,
                ("self.post_bn = batch_norm(2048)", "self.post_bn = batch_norm(2048)\n    self.post_bn.forward = lambda x: x"),
            ),
        ),
    ),
    Fault(
        id="post_relu_missing",
        stage="forward",
        tier=Tier.TWO,
        sentence="The relu after the last block is missing.",
        gates=("blocks",),
        place="post/relu",
        plants=(edit(INIT, ("self.post_relu = nn.ReLU()", "self.post_relu = nn.Identity()")),),
    ),
    Fault(
        id="head_relu_missing",
        stage="forward",
        sentence="The head's hidden layer has no relu.",
        gates=("blocks",),
        place="head/hidden",
        plants=(edit("model:DenseRelu.forward", ("torch.relu(super().forward(x))", "super().forward(x)")),),
    ),
    Fault(
        id="bn_eps_1e-5",
        stage="forward",
        sentence="Batch norm's epsilon is torch's 1e-5 instead of 1.001e-5.",
        gates=("config", "blocks"),
        place="conv2/block1/out",
        plants=(edit(NORM, (EPSILON, "eps=1e-5")),),
    ),
    Fault(
        id="bn_eps_1e-3",
        stage="forward",
        sentence="Batch norm's epsilon is the Keras layer's 1e-3 instead of the application's 1.001e-5.",
        gates=("blocks",),
        place="conv2/block1/out",
        plants=(edit(NORM, (EPSILON, "eps=1e-3")),),
    ),
    Fault(
        id="dropout_rate",
        stage="forward",
        tier=Tier.CONTROL,
        sentence="Dropout is given the share to keep instead of the share to drop: at 0.5 the same.",
        gates=("config",),
        plants=(edit(HEAD, ("nn.Dropout(DROPOUT)", "nn.Dropout(1 - DROPOUT)")),),
    ),
    Fault(
        id="dropout_missing_or_2d",
        stage="forward",
        sentence="Nothing is dropped in training.",
        gates=("inference",),
        plants=(edit(HEAD, ("nn.Dropout(DROPOUT)", "nn.Dropout(0.0)")),),
    ),
)
