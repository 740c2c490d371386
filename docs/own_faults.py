"""Faults of one's own: ``nox -s faults -- --faults-from docs/own_faults.py``, on your images with ``--data``.

Copy this file, and plant the mistake that you are afraid of. A plant is anything that takes the workspace of the run and
returns a context manager: inside it the port is wrong, after it the port is as it was. `edit` changes a piece of the source of
a function, a class or a constant, which must stand in it exactly once; several changes of one go into one edit. `swap` puts an
object of this file in a name's place. What would change nothing that runs is refused before anything is recorded. A fault that
makes the port raise says ``raises=True``. ``--gates`` shows what a fault does to gates beyond the first that fails.
"""

from parity.faults.fault import Fault
from parity.faults.planting import edit, swap


def smooth_labels(logits, labels):
    """Stand in for `losses.image_losses`. The file is read where there is no torch, too: import it inside."""
    from torch.nn import functional

    return functional.cross_entropy(logits, labels.to(logits), reduction="none", label_smoothing=0.1)


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
    Fault(
        id="labels_smoothed",
        stage="own",
        sentence="The loss smooths labels by a tenth.",
        gates=("loss",),
        plants=(swap("losses:image_losses", smooth_labels, "losses:image_losses"),),
    ),
    Fault(
        id="another_learning_rate",
        stage="own",
        sentence="Training starts with twice the learning rate.",
        gates=("optimizer",),
        plants=(edit("training_module:LEARNING_RATE", ("1e-4", "2e-4")),),
    ),
)
