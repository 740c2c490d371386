"""Where random numbers come from."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit

STEP = "training_module:ClassifierTraining.training_step"

FAULTS = (
    Fault(
        id="rng_source_global_vs_compose",
        stage="rng",
        sentence="The pipeline has random numbers of its own, as in albumentations 2: the global ones stand still.",
        gates=("loader",),
        plants=(edit("transforms:train_augmentations", ("return A.Compose(", "return SilentCompose(")),),
    ),
    Fault(
        id="rng_draw_count",
        stage="rng",
        tier=Tier.TWO,
        sentence="A transform that is always applied draws no random number, as in albumentations 2.",
        gates=("loader",),
        plants=(
            edit(
                "core.transforms_interface:BasicTransform.__call__",
                ("(random.random() < self.p)", "(self.p >= 1 or random.random() < self.p)"),
                package="albumentations",
            ),
        ),
    ),
    Fault(
        id="albu2_worker_rng_clone",
        stage="rng",
        sentence="Every epoch repeats the random numbers of the first, as with a generator that is copied into each worker.",
        gates=("augment",),
        plants=(edit("order:EpochSampler.__iter__", ("derive_seed(seed, epoch, 1 + index)", "derive_seed(seed, 1 + index)")),),
    ),
    Fault(
        id="worker_seed_source",
        stage="rng",
        sentence="In a worker process images are augmented from torch's random numbers, which the seed does not reach.",
        gates=("loader",),
        plants=(
            edit(
                "data:LungHistDataset.__getitem__",
                (
                    "with random_stream(item.stream):",
                    "worker = torch.utils.data.get_worker_info()\n"
                    "        with random_stream(item.stream if worker is None else (item.stream + worker.seed) % 2**63):",
                ),
            ),
        ),
    ),
    Fault(
        id="dropout_same_every_epoch",
        stage="rng",
        sentence="With a seed, every epoch drops the same units: the epoch does not go into the batch's seed.",
        gates=("lockstep",),
        place="seeded/masks",
        plants=(edit(STEP, ("derive_seed(self.seed, self.current_epoch, batch_idx", "derive_seed(self.seed, batch_idx")),),
    ),
    Fault(
        id="dropout_same_every_batch",
        stage="rng",
        sentence="With a seed, one mask serves all batches of an epoch.",
        gates=("lockstep",),
        place="seeded/masks",
        plants=(edit(STEP, ("self.current_epoch, batch_idx, self", "self.current_epoch, self")),),
    ),
    Fault(
        id="dropout_seed_ignored",
        stage="rng",
        sentence="The seed does not reach dropout: the same training twice drops other units.",
        gates=("lockstep",),
        place="seeded/again",
        plants=(edit(STEP, ("if self.seed is not None:", "if False:")),),
    ),
)
