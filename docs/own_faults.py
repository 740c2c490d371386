"""Faults of one's own: ``nox -s faults -- --faults-from docs/own_faults.py``.

Copy this file, and plant the mistake that you are afraid of. A plant is anything that takes the workspace of the run and
returns a context manager: inside it the port is wrong, after it the port is as it was. `edit` changes a piece of a function's
source, which must stand in it exactly once; several changes of one function go into one edit.
"""

from parity.faults.fault import Fault
from parity.faults.planting import edit

FAULTS = (
    Fault(
        id="validation_images_flipped",
        stage="own",
        sentence="Evaluation images are read upside down.",
        gates=("decode",),
        plants=(edit("images:read_image", ('plugin="pillow")', 'plugin="pillow")[::-1].copy()')),),
    ),
    Fault(
        id="dense_layer_of_another_activation",
        stage="own",
        sentence="The hidden layer of the head has a leaky relu.",
        gates=("blocks",),
        place="head/hidden",
        plants=(
            edit("model:DenseRelu.forward", ("torch.relu(super().forward(x))", "nn.functional.leaky_relu(super().forward(x))")),
        ),
    ),
)
