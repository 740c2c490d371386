"""Which image comes when."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit, swap

FAULTS = (
    Fault(
        id="keras_mid_epoch_reshuffle",
        stage="loader",
        sentence="The legacy order leaves out the reshuffling in the middle of an epoch.",
        gates=("loader",),
        plants=(edit("order:LegacyBatchSampler._item", ("if batch == 0 and self.shuffle:", "if False:")),),
    ),
    Fault(
        id="peek_extra_draws",
        stage="loader",
        tier=Tier.TWO,
        sentence="The legacy order leaves out the look at the first batch, and its random numbers.",
        gates=("loader",),
        plants=(edit("order:LegacyBatchSampler.__iter__", ("if not self._looked:", "if False:")),),
    ),
    Fault(
        id="train_shuffle_off",
        stage="loader",
        sentence="Training images come in the order of the files, class by class.",
        gates=("loader",),
        plants=(
            edit(
                "order:EpochSampler.__iter__",
                ("np.random.default_rng(derive_seed(seed, epoch, 0)).permutation(self.size)", "np.arange(self.size)"),
            ),
        ),
    ),
    Fault(
        id="drop_last_true",
        stage="loader",
        sentence="The short last batch of an epoch is dropped.",
        gates=("loader",),
        plants=(
            edit(
                "data:_make_batches",
                (
                    "EpochSampler(len(dataset), seed)",
                    "EpochSampler(max(len(dataset) // batch_size * batch_size, min(len(dataset), batch_size)), seed)",
                ),
            ),
        ),
    ),
    Fault(
        id="epoch_set_to_zero",
        stage="loader",
        sentence="A callback sets epoch 0 before each epoch: order and augmentation repeat, whatever the sampler can do.",
        gates=("augment", "loader"),
        plants=(swap("resumption:EpochOrder.on_train_epoch_start", "set_first_epoch", "training:train_model"),),
    ),
    Fault(
        id="epoch_never_set",
        stage="loader",
        sentence="The sampler does not take up the epoch that the trainer sets.",
        gates=("augment", "loader"),
        plants=(edit("order:EpochSampler.set_epoch", ("self.epoch = epoch", "pass")),),
    ),
)
