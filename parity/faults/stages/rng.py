"""Where random numbers come from."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit

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
)
