"""The arithmetic, and conditions under which a correct port must still pass."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import Within, edit

CONDITIONS = "parity.faults.port_conditions"
SIDE = "sides.port:PortSide.__init__"


def _hazard(name: str, sentence: str, *plants: Within) -> Fault:
    return Fault(id=name, stage="numerics", tier=Tier.HAZARD, sentence=sentence, gates=(), plants=plants)


FAULTS = (
    Fault(
        id="tf32_conv_default",
        stage="numerics",
        sentence="Convolutions round their operands to TF32, torch's default on a GPU.",
        gates=("numerics",),
        plants=(
            edit(SIDE, ("torch.backends.cudnn.allow_tf32 = False", "torch.backends.cudnn.allow_tf32 = True"), package="parity"),
            Within(f"{CONDITIONS}:tf32_convolutions"),
        ),
        emulates="a GPU's TF32 by the flag, and by operands of convolutions rounded to 10 bits of mantissa",
    ),
    Fault(
        id="autocast_bf16",
        stage="numerics",
        sentence="Mixed precision is left on.",
        gates=("numerics", "inference"),
        plants=(Within(f"{CONDITIONS}:mixed_precision"),),
    ),
    Fault(
        id="cudnn_benchmark",
        stage="numerics",
        tier=Tier.TWO,
        sentence="cuDNN chooses its algorithms anew in every run.",
        gates=("numerics",),
        plants=(
            edit(SIDE, ("torch.backends.cudnn.benchmark = False", "torch.backends.cudnn.benchmark = True"), package="parity"),
        ),
        emulates="a GPU's choice by the flag, which is what the gate reads",
    ),
    _hazard(
        "backend_noise",
        "Convolutions run without oneDNN, on one thread.",
        Within(f"{CONDITIONS}:without_onednn"),
        Within(f"{CONDITIONS}:threads", (1,)),
    ),
    _hazard("threads_2", "Convolutions run on two threads.", Within(f"{CONDITIONS}:threads", (2,))),
    _hazard("channels_last", "Images and weights are laid out channels last.", Within(f"{CONDITIONS}:channels_last")),
    _hazard("other_batch_sizes", "Images are predicted three at a time.", Within(f"{CONDITIONS}:small_batches", (3,))),
    _hazard(
        "float64_oracle_flips_bn",
        "Batch norm's statistics are computed in float64 and rounded.",
        Within(f"{CONDITIONS}:precise_statistics"),
    ),
    _hazard(
        "float32_gradient_chaos",
        "Gradients are summed in another order.",
        Within(f"{CONDITIONS}:channels_last"),
        Within(f"{CONDITIONS}:without_onednn"),
    ),
    _hazard(
        "adam_sign_flip_step1",
        "The network's own gradients have other rounding errors.",
        Within(f"{CONDITIONS}:noisy_gradients", (1e-15,)),
    ),
    _hazard(
        "zero_gradient_biases",
        "Biases without a gradient get one of pure rounding.",
        Within(f"{CONDITIONS}:noisy_biases", (1e-15,)),
    ),
    _hazard("no_tf_seed", "The global random numbers start elsewhere.", Within(f"{CONDITIONS}:another_seed", (12345,))),
)
