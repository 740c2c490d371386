"""The ``predict`` command: a folder of images without a data set."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit

FILES = "predict:predict_files"
MISSING = "predict:predict_missing"

FAULTS = (
    Fault(
        id="predict_softmax_over_images",
        stage="predict",
        sentence="The softmax is taken over the images of a batch instead of the classes.",
        gates=("decisions",),
        place="predict/",
        plants=(
            edit(
                "inference:make_predictor",
                ("images.dtype), dim=1)", "images.dtype), dim=0)"),
            ),
        ),
    ),
    Fault(
        id="predict_rows_of_other_images",
        stage="predict",
        sentence="Rows are paired with the images of the batch in the other direction.",
        gates=("decisions",),
        place="predict/",
        plants=(
            edit(
                FILES,
                (
                    "zip(paths, probabilities.tolist(), strict=True)",
                    "zip(reversed(paths), probabilities.tolist(), strict=True)",
                ),
            ),
        ),
    ),
    Fault(
        id="predict_image_skipped",
        stage="predict",
        sentence="The last image of a folder is left out, and nothing says so.",
        gates=("decisions",),
        place="images",
        plants=(edit("predict:find_images", ("images.sort()", "images = sorted(images)[: max(1, len(images) - 1)]")),),
    ),
    Fault(
        id="predict_in_training_mode",
        stage="predict",
        sentence="The network predicts in training mode.",
        gates=("decisions",),
        place="predict/",
        plants=(edit(MISSING, ("make_predictor(model,", "make_predictor(model.train(),")),),
    ),
    Fault(
        id="predict_other_scale",
        stage="predict",
        sentence="Images are resized to the default scale, whatever scale is asked for.",
        gates=("decisions",),
        place="predict/",
        plants=(edit(MISSING, ("ImageFiles(missing, options.image_scale)", "ImageFiles(missing, 0.25)")),),
    ),
    Fault(
        id="predict_maps_of_other_classes",
        stage="predict",
        sentence="Maps explain the least likely class.",
        gates=("gradcam",),
        place="predict/",
        plants=(edit("predict:write_maps", ("int(np.argmax(row))", "int(np.argmin(row))")),),
    ),
    Fault(
        id="predict_maps_of_other_size",
        stage="predict",
        tier=Tier.TWO,
        sentence="Maps are made of images of another size than the network's input.",
        gates=("gradcam",),
        plants=(edit(MISSING, ("input_size(options.image_scale))", "(300, 400))")),),
    ),
)
