"""Explanations."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import Within, edit, swap

RAW = "gradcam:raw_gradcam_heatmap"
NORMALISE = "gradcam:normalise_heatmap"
EXPLAIN = "gradcam:explain_image"

FAULTS = (
    Fault(
        id="cam_logits",
        stage="gradcam",
        sentence="The logit is explained instead of the probability.",
        gates=("gradcam",),
        plants=(edit(RAW, ("probabilities = model.probabilities(images)", "probabilities = model(images)")),),
    ),
    Fault(
        id="cam_layer_block_output",
        stage="gradcam",
        sentence="The map is taken from the last block's output instead of its last convolution.",
        gates=("gradcam",),
        plants=(
            edit(
                "gradcam:get_layer",
                (
                    "LEGACY_LAYERS.get(layer_name, layer_name)",
                    'LEGACY_LAYERS.get(layer_name, layer_name).removesuffix(".conv3")',
                ),
            ),
        ),
    ),
    Fault(
        id="cam_inplace_add_hook",
        stage="gradcam",
        sentence="A hook keeps the convolution's output, to which the shortcut is then added in place.",
        gates=("gradcam",),
        plants=(
            swap(RAW, "hooked_gradcam", RAW),
            edit(
                "model:Block.forward",
                ("return shortcut + self.conv3(out)", "out = self.conv3(out)\n    out += shortcut\n    return out"),
            ),
        ),
    ),
    Fault(
        id="cam_class_ground_truth",
        stage="gradcam",
        sentence="The label's class is explained instead of the predicted one.",
        gates=("gradcam",),
        plants=(Within("parity.faults.port_parts:explain_labels", workspace=True, touches=frozenset({f"torch_port.{RAW}"})),),
    ),
    Fault(
        id="cam_batch_pool",
        stage="gradcam",
        tier=Tier.TWO,
        sentence="Several images are explained at once, their gradients mixed.",
        gates=("gradcam",),
        plants=(edit(RAW, ("len(images) != 1", "False")),),
    ),
    Fault(
        id="cam_norm_minmax",
        stage="gradcam",
        tier=Tier.CONTROL,
        sentence="Maps are normalised from their minimum to their maximum: nearly the same where some cell is 0.",
        gates=("gradcam",),
        plants=(edit(NORMALISE, ("return positive / peak", "return (positive - positive.min()) / (1e-7 + positive.max())")),),
    ),
    Fault(
        id="cam_nan_guard",
        stage="gradcam",
        tier=Tier.TWO,
        sentence="A map whose maximum is 0 becomes zero instead of NaN.",
        gates=("gradcam",),
        plants=(edit(NORMALISE, (" and not quirks.nan_gradcam_on_dead_map", "")),),
    ),
    Fault(
        id="cam_input_nearest",
        stage="gradcam",
        sentence="Grad-CAM is fed the evaluation image, which is resized in another way.",
        gates=("preprocess",),
        plants=(edit("gradcam:get_img_array", ("if quirks.nearest_gradcam_input:", "if False:")),),
    ),
    Fault(
        id="cam_mask_threshold",
        stage="gradcam",
        tier=Tier.THREE,
        sentence="Overlays start at 0.5 of the maximum instead of 0.25.",
        gates=("gradcam",),
        plants=(edit("gradcam:generate_gradcam_samples", ("mask_thresh: float = 0.25", "mask_thresh: float = 0.5")),),
    ),
    Fault(
        id="cam_pool_sum_vs_mean",
        stage="gradcam",
        tier=Tier.CONTROL,
        sentence="Channels are weighted by the sum of their gradients instead of the mean, which normalising cancels.",
        gates=(),
        plants=(
            edit(
                RAW,
                ("return raw[0, 0].detach().cpu().numpy()", "return (raw[0, 0] * raw[0, 0].numel()).detach().cpu().numpy()"),
            ),
        ),
    ),
    Fault(
        id="cam_class_always_first",
        stage="gradcam",
        sentence="Class 0 is explained whatever class is asked for; without one, the predicted class is.",
        gates=("gradcam",),
        place="classes/evaluation",
        plants=(edit(RAW, ("if pred_index is None else pred_index]", "if pred_index is None else 0]")),),
    ),
    Fault(
        id="cam_threshold_ignored",
        stage="gradcam",
        sentence="The command's overlays start at the default threshold, whatever is asked for.",
        gates=("gradcam",),
        place="command/overlay",
        plants=(edit(EXPLAIN, ("heatmap, mask_thresh=mask_thresh)", "heatmap, mask_thresh=0.25)")),),
    ),
    Fault(
        id="cam_size_ignored",
        stage="gradcam",
        sentence="The command explains images of 300x400 pixels, whatever the network's input is.",
        gates=("gradcam",),
        plants=(edit(EXPLAIN, ("parameter = next(", "size = (300, 400)\n    parameter = next(")),),
    ),
    Fault(
        id="cam_explains_in_training_mode",
        stage="gradcam",
        sentence="`explain_image` puts the network into training mode, which drops units and takes the image's own statistics.",
        gates=("gradcam",),
        place="command/",
        plants=(edit(EXPLAIN, ("parameter = next(model.parameters())", "parameter = next(model.train().parameters())")),),
    ),
    Fault(
        id="cam_predicts_in_training_mode",
        stage="gradcam",
        sentence="`predict_class` puts the network into training mode, and leaves it so.",
        gates=("gradcam",),
        place="command/",
        plants=(edit("gradcam:predict_class", ("model.probabilities(images)", "model.train().probabilities(images)")),),
    ),
    Fault(
        id="cam_samples_sorted",
        stage="gradcam",
        tier=Tier.TWO,
        sentence="The images that are drawn come in the order of the files.",
        gates=("gradcam",),
        place="command/port/images",
        plants=(edit("gradcam:choose_samples", ("for index in chosen]", "for index in sorted(chosen)]")),),
    ),
    Fault(
        id="cam_seed_ignored",
        stage="gradcam",
        sentence="The command draws its images with seed 17, whatever seed is asked for.",
        gates=("gradcam",),
        place="command/port/images",
        plants=(edit("__main__:run_gradcam", ("np.random.seed(options.seed)", "np.random.seed(17)")),),
    ),
)
