"""How a fresh model is filled."""

from parity.faults.fault import Fault
from parity.faults.planting import edit

FAULTS = (
    Fault(
        id="head_init_kaiming",
        stage="init",
        sentence="Dense layers start with torch's default distribution and random biases.",
        gates=("weights", "config"),
        place="dense",
        plants=(
            edit("model:initialise_as_keras", ("isinstance(module, (nn.Conv2d, nn.Linear))", "isinstance(module, nn.Conv2d)")),
        ),
    ),
)
