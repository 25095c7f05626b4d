"""The order in which the gallery shows its scripts: from first acquaintance to special needs."""

from pathlib import Path

SCRIPTS = [
    "plot_digits.py",
    "plot_decision_boundaries.py",
    "plot_learning_rates.py",
    "plot_gradient_check.py",
    "plot_hidden_activations.py",
    "cifar10_weights.py",
    "plot_class_weights.py",
    "plot_quantiles.py",
    "plot_early_stopping.py",
    "plot_callbacks.py",
    "plot_text.py",
]


def position(script):
    """Return the place of a script, given by its name or path."""
    return SCRIPTS.index(Path(script).name)
