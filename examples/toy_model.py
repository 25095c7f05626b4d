"""Compare a toy model with the published numbers of the exercise.

Before it turns to images, the exercise of Stanford's CS231n checks a network with four inputs, ten
hidden units and three classes on five samples. It compares scores, loss and gradients, and trains
until the loss is close to zero. The script prints our numbers beside the published ones.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.gradient_check import gradient_check

PUBLISHED_SCORES = np.array(
    [
        [-0.81233741, -1.27654624, -0.70335995],
        [-0.17129677, -1.18803311, -0.47310444],
        [-0.51590475, -1.01354314, -0.8504215],
        [-0.15419291, -0.48629638, -0.52901952],
        [-0.00618733, -0.12435261, -0.15226949],
    ]
)
PUBLISHED_LOSS = 1.30378789133
PUBLISHED_LAST_LOSS = 0.0171496079387320


def main(output):
    output.mkdir(parents=True, exist_ok=True)
    X = 10 * np.random.RandomState(1).standard_normal((5, 4))
    y = np.array([0, 1, 2, 2, 1])
    toy = {
        "hidden_size": 10,
        "init": 0.1,
        "solver": "sgd",
        "momentum": 0.0,
        "learning_rate_schedule": "exponential",
        "warmup_fraction": 0.0,
        "learning_rate_decay": 0.95,
        "batch_size": 200,
        "dropout": 0.0,
        "early_stopping": False,
        "max_iter": 100,
        "n_iter_no_change": None,
        "random_state": 0,
    }

    # A single update with a tiny learning rate leaves the initial weights unchanged.
    model = TwoLayerClassifier(**toy, alpha=0.1, learning_rate=1e-300, max_updates=1).fit(X, y)
    scores = model.decision_function(X)
    print("Forward pass: scores (ours | published)")
    for ours, published in zip(scores, PUBLISHED_SCORES, strict=True):
        print("  ", *(f"{s: .8f}" for s in ours), " | ", *(f"{s: .8f}" for s in published))
    print(f"   sum of differences {np.abs(scores - PUBLISHED_SCORES).sum():.2e} (below 3.7e-8)\n")

    loss = model.batch_loss_curve_[0]
    print(f"Loss: {loss:.11f} | {PUBLISHED_LOSS}")
    print(f"   difference {abs(loss - PUBLISHED_LOSS):.1e} (published: 1.8e-13)\n")

    print("Gradients: maximum relative error against central differences (below 4e-9)")
    for name, error in gradient_check(model, X, y).items():
        print(f"   {name}: {error:.2e}")

    model = TwoLayerClassifier(
        **toy,
        alpha=1e-5,
        learning_rate=0.1,
        replacement=True,
        max_updates=100,
    ).fit(X, y)
    last_loss = model.batch_loss_curve_[-1]
    print(f"\nTraining, 100 updates: last loss {last_loss:.16f} | {PUBLISHED_LAST_LOSS:.16f}")

    figure, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
    ax.plot(np.arange(1, 101), model.batch_loss_curve_)
    ax.set(title="training the toy model", xlabel="update", ylabel="training loss")
    path = output / "toy_loss.png"
    figure.savefig(path, dpi=120)
    print(f"picture: {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("toy_output"), help="folder for the picture"
    )
    main(parser.parse_args().output)
