"""The PyTorch port of the Keras lung histology classifier in `legacy_tf`.

Nothing is imported here: `torch_port.model` needs torch alone, and only the modules that use torchmetrics or
captum pay for importing them.
"""

__version__ = "0.1.0"
