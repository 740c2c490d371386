"""The index of each class."""

from parity.faults.fault import Fault
from parity.faults.planting import edit

FAULTS = (
    Fault(
        id="label_order",
        stage="labels",
        sentence="Classes are numbered in another order than the legacy's sorted names.",
        gates=("loader",),
        plants=(
            edit(
                "metadata:get_classes_labels",
                (
                    "return class_names, [indices[name] for name in names]",
                    "return class_names, [{'nor': 0, 'aca': 1, 'scc': 2}[name] for name in names]",
                ),
            ),
        ),
    ),
)
