"""Which patient is in which split."""

from parity.faults.fault import Fault
from parity.faults.planting import edit

FAULTS = (
    Fault(
        id="split_source",
        stage="split",
        sentence="The published split and the random one are mixed up.",
        gates=("loader",),
        plants=(
            edit(
                "splits:make_split",
                (
                    "return dict(zip(SPLITS, get_reproducible_ids(df, resolution), strict=True))",
                    "return dict(zip(SPLITS, random_split(df), strict=True))",
                ),
            ),
        ),
    ),
    Fault(
        id="split_val_test_swapped",
        stage="split",
        sentence="Validation and test patients have changed places.",
        gates=("loader",),
        plants=(
            edit(
                "splits:make_split",
                (
                    "return dict(zip(SPLITS, get_reproducible_ids(df, resolution), strict=True))",
                    "return dict(zip(('train', 'test', 'val'), get_reproducible_ids(df, resolution), strict=True))",
                ),
            ),
        ),
    ),
)
