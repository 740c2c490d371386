"""The words that the port's options and files share."""

CLASSES = ("aca", "nor", "scc")
SUBCLASSES = ("bd", "md", "pd")
RESOLUTIONS = ("20x", "40x")
SPLITS = ("train", "val", "test")
ARCHITECTURES = ("resnet50v2", "torchvision_resnet50")
EPOCH_ORDERS = ("permutation", "legacy")
PRECISIONS = ("32-true", "tf32", "bf16-mixed", "16-mixed")
