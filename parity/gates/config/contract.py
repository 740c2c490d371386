"""What both recorders of the config gate and its comparison agree on."""

# Options of the train commands that both sides have.
TRAIN_OPTIONS = (
    "resolution", "split", "image_scale", "batch_size", "images", "weights",
    "epochs", "patience", "patience_lr", "learning_rate",
)  # fmt: skip
ODD_SCALE = 0.29  # 1600 times it is 464, or 463 when it is cut off in binary
