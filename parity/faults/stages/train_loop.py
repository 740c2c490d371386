"""Steps and modes of training."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import swap

MODULE = "training_module:ClassifierTraining"
# Lightning calls these hooks around the steps of a training and of a validation, and nowhere else.
TRAINING, VALIDATION = f"{MODULE}.training_step", f"{MODULE}.validation_step"

FAULTS = (
    Fault(
        id="missing_zero_grad",
        stage="train_loop",
        sentence="Gradients are not set to zero between steps and add up.",
        gates=("lockstep",),
        plants=(swap(f"{MODULE}.optimizer_zero_grad", "leave_gradients", TRAINING),),
    ),
    Fault(
        id="grad_accumulation",
        stage="train_loop",
        tier=Tier.TWO,
        sentence="The optimizer steps after every second batch.",
        gates=("lockstep",),
        plants=(swap(f"{MODULE}.optimizer_step", "step_every_second_batch", TRAINING),),
    ),
    Fault(
        id="eval_mode_stuck",
        stage="train_loop",
        sentence="After the first validation the network stays in evaluation mode.",
        gates=("lockstep",),
        plants=(swap(f"{MODULE}.on_train_epoch_start", "stay_in_evaluation_mode", TRAINING),),
    ),
    Fault(
        id="train_mode_validation",
        stage="train_loop",
        sentence="Validation runs in training mode: it drops units and updates the running statistics.",
        gates=("inference", "bn_state"),
        plants=(swap(f"{MODULE}.on_validation_epoch_start", "stay_in_training_mode", VALIDATION),),
    ),
)
