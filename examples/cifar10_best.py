"""What a two-layer network can really do on the pixels of CIFAR-10.

The exercise's network has a test accuracy of about one half. This one reaches about two thirds,
still with one hidden layer and from pixels alone: only the recipe is better.
The model is a scikit-learn pipeline of two steps, preprocessing and network.

All choices were made on the last 5,000 training images. So the script trains on the first
45,000 and reports the accuracy on those 5,000; then it trains anew, with the same settings, on
all 50,000, and evaluates the test set once.

All figures here and in the comments were measured on JPEG re-encodings of CIFAR-10. With the
settings below the validation accuracy is 0.663 and the test accuracy 0.669; as measured on two
cores, the script takes 280 s and 2.9 GB of memory.

What each part of the recipe is worth, as validation accuracy: these are single runs, so
differences below 0.01 may be chance, of a smaller version, with 1,500 units, alpha=0.005 and
5 epochs of 540,000 rows.

    this smaller version of the recipe                            0.656
    each image in its original version only, 60 epochs            0.590
    each image and its mirror image, without shifts, 30 epochs    0.613
    axes not whitened (alpha=0.001, the better one of two)        0.616
    axes whitened fully: floor=0                                  0.654
    600 axes, with scale=5, at twice the cost                     0.661
    no L2 penalty                                                 0.621
    alpha=0.008                                                   0.644
    dropout=0.2                                                   0.650
    dropout=0.4, with alpha=0.003                                 0.639
    500 units                                                     0.645
    10 epochs                                                     0.664
    3,000 units, alpha=0.004, 8 epochs                            0.667
"""

import argparse
import resource
import time
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import eigh
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.datasets import fetch_cifar10
from sk_twolayer.display import LossCurveDisplay, WeightsDisplay

N_VALIDATION = 5_000
CHUNK_ROWS = 2_000  # As floats, 8-bit pixels take four times the memory: so only few at a time.

# What helps most: every image is trained on in many versions, each shifted by up to two pixels
# and half of them mirrored. It is what keeps a wide network from overfitting: without, its
# training accuracy is 0.997. Shifts of up to three pixels were worse than two (0.616
# against 0.631, with 500 units).
N_VERSIONS = 12
LARGEST_SHIFT = 2

PREPROCESSING = {
    # They hold 97% of the variance. With 200 axes 500 units lost 0.014; 600 are slightly better
    # for a wide network (0.661 against 0.656, with 1,500 units), at twice the cost.
    "n_axes": 300,
    # Anything from none to twice the variance of a pixel does, with as few axes as these.
    "floor": 1.0,
    # The effect of alpha depends on it: inputs twice as large need weights half as large,
    # whose penalty is a quarter. In an early comparison (500 units, mirrored images, alpha=0.01)
    # a quarter of the scale took the accuracy from 0.591 to 0.482.
    "scale": 3.2,
}

RECIPE = {
    # The wider the better, if slowly; and the time is proportional to it.
    "hidden_size": 2000,
    # Strong, as it is not divided by the number of rows. 0.005 gave the same (0.656 against
    # 0.657, with 1,500 units), and 0.003 and 0.007 slightly less than that with 500 units.
    "alpha": 0.004,
    "solver": "sgd",
    "init": "he",
    "momentum": 0.9,
    "nesterov": True,
    # In the early comparison 0.01 took the accuracy from 0.591 to 0.548; later ones with 0.05 were
    # slightly worse (0.619 against 0.622).
    "learning_rate": 0.03,
    # 100 was no better (0.629 against 0.628, with 500 units), and slower.
    "batch_size": 200,
    "dropout": 0.0,
    "early_stopping": False,
    # Never stop early: the falling learning rate is planned for a fixed number of epochs.
    "n_iter_no_change": None,
}
# A few more would still help a little, but two trainings have to fit into ten minutes.
N_EPOCHS = 8
# The learning rate of the last epoch as a share of the first. With 0.005 the accuracy was the same
# (0.628, with 500 units).
LAST_RATE = 0.02


class WhitenedAxes(TransformerMixin, BaseEstimator):
    """Rotate pixels to their principal axes, and bring their variances closer to each other.

    Neighbouring pixels are nearly equal, so almost all variance lies along a few axes (the
    first is the brightness), while what tells the classes apart is spread over hundreds.
    Whitening divides each axis by its standard deviation. That would also amplify the axes
    that hold little but noise, so the floor is added to each variance first.

    Parameters
    ----------
    n_axes : int
        Axes to keep, those of the largest variance.
    floor : float
        What is added to each variance, in units of the mean variance of a pixel.
    scale : float
        What the result is multiplied by: nearly the standard deviation of the leading axes.
    max_rows : int, default=50_000
        Most rows to find the axes from, drawn at random.
    random_state : int, default=None
        Draws those rows.
    """

    def __init__(self, n_axes, floor, scale, max_rows=50_000, random_state=None):
        self.n_axes = n_axes
        self.floor = floor
        self.scale = scale
        self.max_rows = max_rows
        self.random_state = random_state

    def fit(self, X, y=None):
        """Find the axes and the variances along them."""
        X = validate_data(self, X)
        n_rows = min(len(X), self.max_rows)
        rows = check_random_state(self.random_state).permutation(len(X))[:n_rows]
        self.mean_ = X[rows].mean(axis=0, dtype=np.float64).astype(np.float32)
        covariance = np.zeros((X.shape[1], X.shape[1]))
        for chunk in np.array_split(rows, max(n_rows // CHUNK_ROWS, 1)):
            centred = np.subtract(X[chunk], self.mean_, dtype=np.float32)
            covariance += centred.T @ centred
        covariance /= n_rows
        largest = len(covariance) - self.n_axes, len(covariance) - 1
        variances, axes = eigh(covariance, subset_by_index=largest)
        floor = self.floor * np.trace(covariance) / len(covariance)
        self.matrix_ = (axes * (self.scale / np.sqrt(variances + floor))).astype(np.float32)
        return self

    def transform(self, X):
        """Return the rows along the axes, in float32, which the network then computes in."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        result = np.empty((len(X), self.n_axes), np.float32)
        for start in range(0, len(X), CHUNK_ROWS):  # of 8-bit pixels, which are small
            rows = slice(start, start + CHUNK_ROWS)
            np.matmul(
                np.subtract(X[rows], self.mean_, dtype=np.float32), self.matrix_, out=result[rows]
            )
        return result


def draw_versions(X, n_versions, rng):
    """Return versions of each image, shifted at random and half of them mirrored.

    Where a shift uncovers something, the border of the image is repeated.
    """
    images = X.reshape(-1, 32, 32, 3)
    versions = np.empty((n_versions, *images.shape), np.uint8)
    border = LARGEST_SHIFT
    padded = np.pad(images, ((0, 0), (border, border), (border, border), (0, 0)), mode="edge")
    for version in versions:
        down, right = rng.integers(2 * border + 1, size=(2, len(images)))
        for i in range(2 * border + 1):
            for j in range(2 * border + 1):
                moved = (down == i) & (right == j)
                version[moved] = padded[moved, i : i + 32, j : j + 32]
        mirrored = rng.random(len(images)) < 0.5
        version[mirrored] = version[mirrored, :, ::-1]
    return versions.reshape(-1, X.shape[1])


def make_pipeline(n_epochs, seed):
    """Make the pipeline of the recipe; rows to validate with go through it all."""
    network = TwoLayerClassifier(
        **RECIPE,
        max_iter=n_epochs,
        learning_rate_schedule="exponential",
        warmup_fraction=0.0,
        learning_rate_decay=LAST_RATE ** (1 / max(n_epochs - 1, 1)),
        random_state=seed,
        verbose=True,
    )
    network.set_fit_request(X_val=True, y_val=True)
    axes = WhitenedAxes(**PREPROCESSING, random_state=seed)
    return Pipeline([("axes", axes), ("network", network)], transform_input=["X_val"])


def main(output, data_home, seed, n_epochs):
    start = time.perf_counter()
    output.mkdir(parents=True, exist_ok=True)
    X, y = fetch_cifar10(data_home=data_home, subset="train", return_X_y=True)
    rng = np.random.default_rng(seed)
    # The number of epochs is part of the recipe: to reach it is no failure to converge.
    warnings.simplefilter("ignore", ConvergenceWarning)

    print(f"training on {len(X) - N_VALIDATION} images in {N_VERSIONS} versions each")
    model = make_pipeline(n_epochs, seed)
    model.fit(
        draw_versions(X[:-N_VALIDATION], N_VERSIONS, rng),
        np.tile(y[:-N_VALIDATION], N_VERSIONS),
        X_val=X[-N_VALIDATION:],
        y_val=y[-N_VALIDATION:],
    )
    # The last, not the best epoch, as the next training has nothing to choose an epoch by.
    validation_accuracy = model["network"].validation_scores_[-1]
    print(f"validation accuracy {validation_accuracy:.4f} ({time.perf_counter() - start:.0f} s)")
    draw(LossCurveDisplay.from_estimator(model), output / "validated_loss.png")

    print(f"\nthe same on all {len(X)} images")
    model = make_pipeline(n_epochs, seed)
    model.fit(draw_versions(X, N_VERSIONS, rng), np.tile(y, N_VERSIONS))

    # The only use of the test set.
    test_accuracy = model.score(*fetch_cifar10(data_home=data_home, subset="test", return_X_y=True))
    print(f"test accuracy {test_accuracy:.4f}")
    draw(LossCurveDisplay.from_estimator(model), output / "loss.png")
    # The few largest weights would make the others hard to see.
    display = WeightsDisplay.from_estimator(
        model, (32, 32, 3), max_units=100, scale="unit", quantile=0.995
    )
    draw(display, output / "weights.png")

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"all of it took {time.perf_counter() - start:.0f} s; peak memory {peak:.0f} MB")


def draw(display, path):
    display.figure_.savefig(path, dpi=120)
    plt.close(display.figure_)
    print(f"picture: {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output", type=Path, default=Path("cifar10_best_output"), help="folder for the pictures"
    )
    parser.add_argument(
        "--data-home", help="where CIFAR-10 is kept; scikit-learn's folder if unset"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number")
    parser.add_argument("--epochs", type=int, default=N_EPOCHS, help="epochs of each training")
    arguments = parser.parse_args()
    # The rows to validate with travel to the network through the pipeline.
    with config_context(enable_metadata_routing=True):
        main(arguments.output, arguments.data_home, arguments.seed, arguments.epochs)
