"""Every hyper-parameter side by side; known differences of versions are listed, not judged."""

from __future__ import annotations

from parity.architecture import MODULES
from parity.comparison import Comparison
from parity.contract import SPLITS
from parity.gates.config.contract import TRAIN_OPTIONS
from parity.tolerance import GatesFile
from parity.verdict import GateResult
from parity.workspace import Workspace

NORM = ("epsilon", "momentum", "channels")
CONV = ("kernel", "stride", "dilation", "groups", "filters", "bias", "padding")
DENSE = ("units", "bias", "inputs")
OTHER = (
    "network/dpout/rate",
    *(f"data/{split}/transforms" for split in SPLITS),
    *(f"data/defaults/{name}" for name in ("batch_size", "train_split", "val_split", "random_state", "image_scale")),
    "data/odd_scale/size",
    "data/classes",
    *(f"gradcam/merge/{name}" for name in ("alpha", "colormap", "mask_thresh")),
    "gradcam/samples/mask_thresh",
    "gradcam/layer",
    *(f"training/optimizer/{name}" for name in ("learning_rate", "beta_1", "beta_2", "epsilon", "weight_decay")),
    *(f"training/early_stopping/{name}" for name in ("monitor", "patience")),
    *(f"training/plateau/{name}" for name in ("monitor", "patience", "factor", "min_delta", "min_lr")),
    "training/best_weights/monitor",
    *(f"training/defaults/{name}" for name in ("num_epochs", "patience", "patience_lr")),
    *(f"training/command/{name}" for name in TRAIN_OPTIONS),
)


def expected_parameters() -> tuple[str, ...]:
    """Return the name of every parameter that both sides must state."""
    network = []
    for layer, path in MODULES.items():
        names = NORM if layer.endswith("_bn") else DENSE if layer.endswith("_dense") else CONV
        network += [f"network/{path}/{name}" for name in names]
    return (*network, *OTHER)


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    comparison = Comparison.open(workspace, "config", {})
    return comparison.result([comparison.table("parameters", expected_parameters())])
