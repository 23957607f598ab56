"""What is best for each network, as far as it was tried: `docs/experiments.md` has the trials."""

from __future__ import annotations

from typing import Any

NETWORKS = ("cnn", "vgg", "efficientnet")
ALL = "all"

# What a network needs on any device.
_FROM_SCRATCH: dict[str, Any] = {
    "learning_rate": 2e-3, "weight_decay": 0.05, "balance": "oversample", "label_smoothing": 0.05, "mixup": 0.0,
}  # fmt: skip
_FROM_IMAGENET: dict[str, Any] = {
    "learning_rate": 1e-3, "weight_decay": 0.05, "balance": "sqrt", "label_smoothing": 0.1, "mixup": 0.2,
}  # fmt: skip
NEEDED: dict[str, dict[str, Any]] = {"cnn": _FROM_SCRATCH, "vgg": _FROM_SCRATCH, "efficientnet": _FROM_IMAGENET}

# What a device can do in reasonable time: full on a GPU, quick on two CPU cores. Sizes and lengths of full have not
# been compared yet: `experiments/trials.toml` has the trials, under [gpu].
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "full": {
        "cnn": {"image_size": 128, "epochs": 80, "batch_size": 64},
        "vgg": {"image_size": 128, "epochs": 80, "batch_size": 64},
        "efficientnet": {"image_size": 160, "epochs": 30, "batch_size": 64},
    },
    "quick": {
        "cnn": {"image_size": 64, "epochs": 16, "batch_size": 32},
        "vgg": {"image_size": 64, "epochs": 16, "batch_size": 32},
        "efficientnet": {"image_size": 112, "epochs": 6, "batch_size": 32},
    },
}
AUTO = "auto"


def preset_of(preset: str, network: str) -> dict[str, Any]:
    """The settings of a preset for a network, by the name of their option."""
    return NEEDED[network] | PRESETS[preset][network]
