"""What is trained."""

from parity.faults.fault import Fault
from parity.faults.planting import edit

FAULTS = (
    Fault(
        id="freeze_backbone",
        stage="train",
        sentence="The backbone is frozen and only the head is trained.",
        gates=("gradients", "optimizer"),
        place="conv1",
        plants=(
            edit(
                "training_module:ClassifierTraining.configure_optimizers",
                (
                    "return KerasAdam(",
                    "for name, parameter in self.model.named_parameters():\n"
                    "        parameter.requires_grad_(not name.startswith(('conv', 'post')))\n"
                    "    return KerasAdam(",
                ),
            ),
        ),
    ),
)
