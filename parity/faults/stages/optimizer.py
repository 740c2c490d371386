"""Adam."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit

MAKE = "training_module:ClassifierTraining.configure_optimizers"
MADE = "KerasAdam(self.model.parameters(), lr=self.learning_rate)"
UPDATE = "optimizer:KerasAdam._update"

FAULTS = (
    Fault(
        id="adam_eps_value",
        stage="optimizer",
        sentence="Epsilon is torch's 1e-8 instead of Keras's 1e-7.",
        gates=("optimizer",),
        place="weights",
        plants=(edit("optimizer:KerasAdam.__init__", ("epsilon: float = 1e-7", "epsilon: float = 1e-8")),),
    ),
    Fault(
        id="adam_eps_placement",
        stage="optimizer",
        sentence="Epsilon is added after the bias correction, as in torch, instead of before.",
        gates=("optimizer",),
        place="weights",
        plants=(
            edit(
                UPDATE,
                (
                    'torch._foreach_add_(divisor, group["epsilon"])',
                    'torch._foreach_add_(divisor, group["epsilon"] * (1 - group["beta_2"] ** step) ** 0.5)',
                ),
            ),
        ),
    ),
    Fault(
        id="adam_l2",
        stage="optimizer",
        tier=Tier.TWO,
        sentence="A weight decay of 1e-4 is added to the gradients.",
        gates=("optimizer",),
        place="optimizer/",
        plants=(edit(UPDATE, ("[parameter.grad for parameter in parameters]", "[p.grad + 1e-4 * p for p in parameters]")),),
    ),
    Fault(
        id="lr_default",
        stage="optimizer",
        sentence="The learning rate is Adam's default of 1e-3 instead of 1e-4.",
        gates=("config", "optimizer"),
        place="weights",
        plants=(
            edit(
                "training_module:ClassifierTraining.__init__",
                ("learning_rate: float = LEARNING_RATE", "learning_rate: float = 1e-3"),
            ),
        ),
    ),
    Fault(
        id="param_subset",
        stage="optimizer",
        sentence="Scales and shifts of batch norms are not given to the optimizer.",
        gates=("gradients", "optimizer"),
        place="bn",
        plants=(
            edit(
                MAKE,
                (
                    "self.model.parameters()",
                    "[parameter for name, parameter in self.model.named_parameters() if 'bn' not in name]",
                ),
            ),
        ),
    ),
    Fault(
        id="lr_float32",
        stage="optimizer",
        tier=Tier.CONTROL,
        sentence="A float32 network is given the learning rate as a float32 number, as Keras keeps it.",
        gates=(),
        plants=(
            edit(
                MAKE,
                (
                    "lr=self.learning_rate",
                    "lr=torch.tensor(self.learning_rate, dtype=next(self.model.parameters()).dtype).item()",
                ),
            ),
        ),
    ),
)
