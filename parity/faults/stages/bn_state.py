"""Running statistics of batch norms."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit, swap

NORM = "model:batch_norm"
MOMENTUM = "momentum=BATCH_NORM_MOMENTUM"

FAULTS = (
    Fault(
        id="bn_momentum_0.1",
        stage="bn_state",
        sentence="Batch norm's momentum is torch's 0.1; Keras's 0.99 is 0.01 there.",
        gates=("bn_state",),
        plants=(edit(NORM, (MOMENTUM, "momentum=0.1")),),
    ),
    Fault(
        id="bn_var_biased",
        stage="bn_state",
        sentence="The running variance takes up the biased variance of the batch.",
        gates=("bn_state",),
        plants=(swap(NORM, "biased_batch_norm", NORM),),
    ),
    Fault(
        id="bn_no_running_stats",
        stage="bn_state",
        sentence="The whole network predicts with the statistics of the batch instead of the running ones.",
        gates=("inference",),
        plants=(
            edit(
                "model:Classifier.probabilities",
                (
                    "return self.class_probabilities(self.hidden(images))",
                    "from parity.faults.port_parts import batch_statistics\n"
                    "    with batch_statistics(self):\n"
                    "        return self.class_probabilities(self.hidden(images))",
                ),
            ),
        ),
    ),
    Fault(
        id="bn_freeze_semantics",
        stage="bn_state",
        tier=Tier.TWO,
        sentence="The running statistics stand still in training, as those of a frozen Keras layer.",
        gates=("bn_state",),
        plants=(edit(NORM, (MOMENTUM, "momentum=0.0")),),
    ),
)
