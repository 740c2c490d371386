"""What both recorders of the numerics gate and its comparison agree on."""

RERUN_IMAGES = 4
