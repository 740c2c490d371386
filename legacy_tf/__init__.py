"""The published Keras pipeline for LungHist700, frozen as the reference of the migration.

`generator`, `models`, `traintest`, `gradcam` and `utils` keep the names that notebooks call, quirks included,
and are never edited: their hashes are part of the proof. Nothing is imported here, so that `--help` is quick.

References:
    Diosdado et al., "LungHist700", Scientific Data, 2024; code `jorgediosdado/LungHist700`, package
    `HistoLib` (Apache-2.0).
"""
