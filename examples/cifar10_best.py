"""Train a two-layer network on the pixels of CIFAR-10 as well as possible.

The exercise's network has a test accuracy of about one half. This one reaches about two thirds,
also with one hidden layer and from pixels alone. Only the recipe differs. The model is a
scikit-learn pipeline with two steps: preprocessing and network.

All settings were chosen on the last 5,000 training images. The script first trains on the other
45,000 images and reports the accuracy on these 5,000. Then it trains a new network with the same
settings on all 50,000 images, and evaluates the test set once.

All figures here and in the comments were measured on JPEG re-encodings of CIFAR-10. With the
settings below, the validation accuracy is 0.663 and the test accuracy is 0.669. On two cores the
script takes 280 s and 2.9 GB of memory.

The table shows the effect of each part of the recipe on the validation accuracy. It was made with a
smaller version of the recipe: 1,500 units, alpha=0.005 and 5 epochs of 540,000 samples. Each value
is a single run, so differences below 0.01 may be chance.

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
from sweep import peak_memory

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.datasets import fetch_cifar10
from sk_twolayer.display import LossCurveDisplay, WeightsDisplay

N_VALIDATION = 5_000
CHUNK_SIZE = 2_000  # images converted to float32 at a time, as they take four times the memory

# The versions of the images help most. Each version is shifted by up to two pixels, and half of
# them are mirrored. They keep a wide network from overfitting: without them its training accuracy
# is 0.997. Shifts of up to three pixels were worse (0.616 against 0.631, with 500 units).
N_VERSIONS = 12
LARGEST_SHIFT = 2

PREPROCESSING = {
    # 300 axes hold 97% of the variance. 200 axes lose 0.014 with 500 units. 600 axes are slightly
    # better for a wide network (0.661 against 0.656, with 1,500 units), at twice the cost.
    "n_axes": 300,
    # With so few axes, any value from 0 to 2 works.
    "floor": 1.0,
    # The effect of alpha depends on the scale: inputs twice as large need weights half as large,
    # with a quarter of the penalty. In an early comparison (500 units, mirrored images, alpha=0.01)
    # a quarter of the scale lowered the accuracy from 0.591 to 0.482.
    "scale": 3.2,
}

RECIPE = {
    # Accuracy grows slowly with the number of units, and the time is proportional to it.
    "hidden_size": 2000,
    # alpha is large, as the penalty is not divided by the number of samples. 0.005 gave the same
    # accuracy (0.656 against 0.657, with 1,500 units). With 500 units, 0.003 and 0.007 were
    # slightly worse than 0.005.
    "alpha": 0.004,
    "solver": "sgd",
    "init": "he",
    "momentum": 0.9,
    "nesterov": True,
    # In the early comparison 0.01 lowered the accuracy from 0.591 to 0.548. In later ones 0.05 was
    # slightly worse (0.619 against 0.622).
    "learning_rate": 0.03,
    # 100 was slower, and no better (0.629 against 0.628, with 500 units).
    "batch_size": 200,
    "dropout": 0.0,
    "early_stopping": False,
    # The decay of the learning rate is planned for a fixed number of epochs: never stop early.
    "n_iter_no_change": None,
}
# More epochs help a little, but both trainings have to fit into ten minutes.
N_EPOCHS = 8
# The learning rate of the last epoch divided by the rate of the first. With 0.005 the accuracy was
# the same (0.628, with 500 units).
LAST_RATE = 0.02


class WhitenedAxes(TransformerMixin, BaseEstimator):
    """Rotate pixels to their principal axes, and make the variances of the axes more equal.

    Neighbouring pixels are nearly equal, so a few axes hold almost all of the variance; the first
    one is the brightness. The information about the classes is spread over hundreds of axes.
    Whitening divides each axis by its standard deviation. Alone it would amplify the axes that hold
    mostly noise, so a floor is added to each variance first.

    Parameters
    ----------
    n_axes : int
        Number of axes to keep: the axes with the largest variances.
    floor : float
        Added to each variance, in units of the mean variance of a pixel.
    scale : float
        Factor of the result: nearly the standard deviation of the leading axes.
    max_samples : int, default=50_000
        Largest number of images from which the axes are computed, drawn at random.
    random_state : int, default=None
        Seed of the draw of these images.
    """

    def __init__(self, n_axes, floor, scale, max_samples=50_000, random_state=None):
        self.n_axes = n_axes
        self.floor = floor
        self.scale = scale
        self.max_samples = max_samples
        self.random_state = random_state

    def fit(self, X, y=None):
        """Compute the axes and the variances along them; y is ignored."""
        X = validate_data(self, X)
        n_samples = min(len(X), self.max_samples)
        samples = check_random_state(self.random_state).permutation(len(X))[:n_samples]
        self.mean_ = X[samples].mean(axis=0, dtype=np.float64).astype(np.float32)
        covariance = np.zeros((X.shape[1], X.shape[1]))
        for chunk in np.array_split(samples, max(n_samples // CHUNK_SIZE, 1)):
            centred = np.subtract(X[chunk], self.mean_, dtype=np.float32)
            covariance += centred.T @ centred
        covariance /= n_samples
        largest = len(covariance) - self.n_axes, len(covariance) - 1
        variances, axes = eigh(covariance, subset_by_index=largest)
        floor = self.floor * np.trace(covariance) / len(covariance)
        self.matrix_ = (axes * (self.scale / np.sqrt(variances + floor))).astype(np.float32)
        return self

    def transform(self, X):
        """Return the coordinates of the images along the axes, in float32."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        result = np.empty((len(X), self.n_axes), np.float32)
        for start in range(0, len(X), CHUNK_SIZE):
            chunk = slice(start, start + CHUNK_SIZE)
            centred = np.subtract(X[chunk], self.mean_, dtype=np.float32)
            np.matmul(centred, self.matrix_, out=result[chunk])
        return result


def draw_versions(X, n_versions, rng):
    """Return versions of each image, shifted at random, and half of them mirrored.

    A shift repeats the border of the image where nothing else is known.
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
    """Make the pipeline of the recipe, which also transforms the validation samples."""
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
    # The number of epochs is part of the recipe, so reaching it deserves no warning.
    warnings.simplefilter("ignore", ConvergenceWarning)

    print(f"training on {len(X) - N_VALIDATION} images in {N_VERSIONS} versions each")
    model = make_pipeline(n_epochs, seed)
    model.fit(
        draw_versions(X[:-N_VALIDATION], N_VERSIONS, rng),
        np.tile(y[:-N_VALIDATION], N_VERSIONS),
        X_val=X[-N_VALIDATION:],
        y_val=y[-N_VALIDATION:],
    )
    # The score of the last epoch, not of the best: the next training cannot choose an epoch.
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
    # The quantile leaves out the few largest weights, which would hide the others.
    display = WeightsDisplay.from_estimator(
        model, (32, 32, 3), max_units=100, scale="unit", quantile=0.995
    )
    draw(display, output / "weights.png")

    print(
        f"the script took {time.perf_counter() - start:.0f} s; peak memory {peak_memory():.0f} MB"
    )


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
        "--data-home", help="folder of CIFAR-10; default: scikit-learn's data folder"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--epochs", type=int, default=N_EPOCHS, help="epochs of each training")
    arguments = parser.parse_args()
    # Metadata routing passes the validation samples through the pipeline to the network.
    with config_context(enable_metadata_routing=True):
        main(arguments.output, arguments.data_home, arguments.seed, arguments.epochs)
