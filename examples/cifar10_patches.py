"""Train a two-layer network on CIFAR-10 with features that are learned without labels.

Coates, Ng and Lee ("An analysis of single-layer networks in unsupervised feature learning", AISTATS
2011) showed that one layer of features goes far if there are many features. k-means finds typical
small patches of images. An image is described by how close its patches are to each centroid, summed
over each quarter of the image. Here a scikit-learn transformer computes these features, and the
network follows in the same pipeline.

All settings were chosen on the last 5,000 training images; `--validate` trains without them. The
figures are single runs on JPEG re-encodings of CIFAR-10, so differences below 0.01 may be chance.
With the settings below, the validation accuracy is 0.756, and 0.761 if the predictions for an image
and its mirror image are averaged. After training on all images, the test accuracy is 0.761, and
0.763 with mirror images. The script takes 7.9 minutes on two cores, and 3.2 GB.

The table shows validation accuracies of variants: alone, and with mirror images in prediction.

    this recipe: 400 units, mirror images in training, 11 epochs        0.756    0.761
    the same with alpha=1 and 7 epochs                                  0.737    0.742
    400 units, dropout=0.3, alpha=0.1, no mirror images, 12 epochs      0.744    0.753
    600 units, dropout=0.5, alpha=0.1, no mirror images, 15 epochs      0.739    0.748
    300 units, dropout=0.5, alpha=0.1, no mirror images, 6 epochs       0.711    0.717
    300 units, solver="sgd", no mirror images, 10 epochs                0.716    0.723
    400 units, dropout=0.3, alpha=6, no mirror images, 12 epochs        0.710    0.709
    no hidden layer (activation="identity"), no mirror images, 12 ep.   0.689    0.693
"""

import argparse
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from joblib import Parallel, delayed
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data
from sweep import peak_memory
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.datasets import fetch_cifar10
from sk_twolayer.display import WeightsDisplay

N_VALIDATION = 5_000
SIDE, PATCH, COLOURS = 32, 6, 3  # sizes of an image and of a patch, in pixels
PLACES = SIDE - PATCH + 1  # number of positions of a patch along a side of the image

# The paper's values for pixels from 0 to 255. The first is added to the variance of a patch, so
# that noise in a plain sky is not amplified. The second is added to the variance of an axis.
CONTRAST_FLOOR = 10.0
WHITENING_FLOOR = 0.1

N_CENTROIDS = 1600
N_PATCHES = 400_000
N_SHOWN = 225

RECIPE = {
    "hidden_size": 400,
    "solver": "adamw",
    # The same rate for W1 and W2. 1e-3 gave the same accuracy (0.710 against 0.711, with 300
    # units). The automatic rate, 0.03 for W2, was worse.
    "learning_rate": 3e-4,
    # With 6 the network hardly overfits, but the validation accuracy fell from 0.744 to 0.710.
    "alpha": 0.1,
    "dropout": 0.4,
    "batch_size": 200,
}
N_EPOCHS = 11


def patches_of(X):
    """Return a view of every patch of every image.

    Parameters
    ----------
    X : ndarray of shape (n_images, 3072)
        Images as `fetch_cifar10` returns them.

    Returns
    -------
    patches : ndarray of shape (n_images, 27, 27, 6, 18)
        A line of a patch is 6 pixels of 3 colours, which are adjacent in X.
    """
    lines = X.reshape(-1, SIDE, SIDE * COLOURS)
    windows = sliding_window_view(lines, (PATCH, PATCH * COLOURS), axis=(1, 2))
    return windows[:, :, ::COLOURS]


def normalise_contrast(patches):
    """Return each patch as a row in float32, with mean 0 and variance near 1."""
    rows = patches.reshape(-1, PATCH * PATCH * COLOURS).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.sqrt(np.square(rows).mean(axis=1, keepdims=True) + CONTRAST_FLOOR)
    return rows


def quarters():
    """Return a 0-1 matrix with a row for each quarter and a column for each position of a patch."""
    half = np.arange(PLACES) >= (PLACES + 1) // 2
    halves = np.stack([~half, half])
    return np.einsum("ir,jc->ijrc", halves, halves).reshape(4, -1).astype(np.float32)


class PatchFeatures(TransformerMixin, BaseEstimator):
    """Describe images by how close their patches are to the centroids of k-means.

    A patch has distance d_k from centroid k, and mean distance m from all centroids. Its
    activations are max(0, m - d_k) (the "triangle" activation); about half of them are zero. They
    are summed over the patches in each quarter of the image, which gives 4 numbers for each
    centroid. These are standardised.

    Parameters
    ----------
    n_centroids : int
        Number of clusters.
    n_patches : int
        Number of patches for k-means, drawn at random from all images.
    n_passes : int, default=6
        Passes of k-means over the patches.
    n_standardise : int, default=2_000
        Largest number of images, drawn at random, from which mean and standard deviation of the
        features are computed. More images would be no better, and take more memory.
    n_jobs : int, default=-1
        Number of threads of `transform`; -1 uses all cores.
    random_state : int, default=None
        Seed of the draws of patches, initial centroids and images.
    verbose : bool, default=False
        Print a line for each step, and for each 10,000 images of a transformation.

    Attributes
    ----------
    whitening_mean_ : ndarray of shape (108,)
        Mean of the patches after normalisation of their contrast.
    whitening_ : ndarray of shape (108, 108)
        Symmetric (ZCA) matrix that makes the covariance of the patches nearly the identity.
    centroids_ : ndarray of shape (n_centroids, 108)
        Centroids of the whitened patches.
    mean_, scale_ : ndarray of shape (4 * n_centroids,)
        Mean and standard deviation of the sums.

    Notes
    -----
    Most of the time is spent in one matrix product for each image, between its 729 patches and the
    centroids. Two additional columns hold the squares, so that the product is
    ``|x|^2 + |c|^2 - 2 x c``. All later steps overwrite its result, which stays in the cache.
    """

    def __init__(
        self,
        n_centroids,
        n_patches,
        n_passes=6,
        n_standardise=2_000,
        n_jobs=-1,
        random_state=None,
        verbose=False,
    ):
        self.n_centroids = n_centroids
        self.n_patches = n_patches
        self.n_passes = n_passes
        self.n_standardise = n_standardise
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None):
        """Compute the whitening, the centroids and the scale of the features; y is ignored."""
        X = self._validate(X)
        rng = check_random_state(self.random_state)
        self._log(f"{self.n_patches:,} patches of {len(X):,} images")
        patches = patches_of(X)
        places = (rng.randint(n, size=self.n_patches) for n in patches.shape[:3])
        patches = normalise_contrast(patches[tuple(places)])

        self.whitening_mean_ = patches.mean(axis=0)
        patches -= self.whitening_mean_
        variances, axes = eigh(patches.T @ patches / len(patches))
        self.whitening_ = axes / np.sqrt(variances + WHITENING_FLOOR) @ axes.T
        patches = patches @ self.whitening_

        self._log(f"k-means: {self.n_passes} passes to find {self.n_centroids:,} centroids")
        clusters = MiniBatchKMeans(
            self.n_centroids,
            batch_size=10_000,
            max_iter=self.n_passes,
            max_no_improvement=None,
            n_init=1,
            compute_labels=False,
            random_state=rng,
        )
        # One thread: on batches this small, several would mostly wait for each other.
        with threadpool_limits(1):
            self.centroids_ = clusters.fit(patches).cluster_centers_

        sums = self._pooled(X[rng.permutation(len(X))[: self.n_standardise]])
        self.mean_, self.scale_ = sums.mean(axis=0), sums.std(axis=0)
        self.scale_[self.scale_ == 0] = 1  # where no patch is near the centroid
        return self

    def transform(self, X):
        """Return the features, in float32: (n_images, 4 * n_centroids), quarter by quarter."""
        check_is_fitted(self)
        features = self._pooled(self._validate(X, reset=False))
        features -= self.mean_
        features /= self.scale_
        return features

    def _validate(self, X, reset=True):
        X = validate_data(self, X, reset=reset, order="C")
        if X.shape[1] != SIDE * SIDE * COLOURS:
            raise ValueError(
                f"X has {X.shape[1]} columns, but an image has {SIDE} x {SIDE} pixels of "
                f"{COLOURS} colours, {SIDE * SIDE * COLOURS} in all. Pass images as fetch_cifar10 "
                "returns them."
            )
        return X

    def _pooled(self, X):
        """Return the sums of activations in each quarter, computed in threads."""
        result = np.empty((len(X), 4 * self.n_centroids), np.float32)
        squares = np.square(self.centroids_).sum(axis=1)
        matrix = np.vstack([-2 * self.centroids_.T, squares, np.ones_like(squares)])
        pool = quarters()
        # A product uses one thread, so that our threads need not wait for each other.
        with threadpool_limits(1, "blas"), Parallel(self.n_jobs, prefer="threads") as parallel:
            for many in gen_batches(len(X), 10_000):
                images, out = X[many], result[many]
                parallel(
                    delayed(self._pool_block)(images[few], matrix, pool, out[few])
                    for few in gen_batches(len(images), 100)
                )
                self._log(f"features of {many.stop:,} of {len(X):,} images")
        return result

    def _pool_block(self, X, matrix, pool, result):
        """Write the sums of a few images into `result`."""
        n_patches = PLACES * PLACES
        rows = np.empty((n_patches, len(matrix)), np.float32)
        rows[:, -2] = 1
        distances = np.empty((n_patches, self.n_centroids), np.float32)
        average = np.full(self.n_centroids, 1 / self.n_centroids, np.float32)
        for patches, sums in zip(patches_of(X), result.reshape(len(X), 4, -1), strict=True):
            whitened = normalise_contrast(patches) - self.whitening_mean_
            whitened = np.matmul(whitened, self.whitening_, out=rows[:, :-2])
            rows[:, -1] = np.square(whitened).sum(axis=1)
            np.matmul(rows, matrix, out=distances)
            np.maximum(distances, 0, out=distances)  # rounding may have made them negative
            np.sqrt(distances, out=distances)
            means = distances @ average
            np.subtract(means[:, np.newaxis], distances, out=distances)
            activations = np.maximum(distances, 0, out=distances)
            np.matmul(pool, activations, out=sums)

    def _log(self, message):
        if self.verbose:
            print(message, flush=True)


def mirror(X):
    """Return the mirror image of each image."""
    return X.reshape(-1, SIDE, SIDE, COLOURS)[:, :, ::-1].reshape(X.shape)


def make_pipeline(n_centroids, n_patches, n_epochs, seed):
    """Make the pipeline of the recipe."""
    features = PatchFeatures(n_centroids, n_patches, random_state=seed, verbose=True)
    network = TwoLayerClassifier(**RECIPE, max_iter=n_epochs, random_state=seed, verbose=True)
    return Pipeline([("features", features), ("network", network)])


def main(output, data_home, seed, n_centroids, n_patches, n_epochs, validate):
    start = time.perf_counter()
    output.mkdir(parents=True, exist_ok=True)
    X, y = fetch_cifar10(data_home=data_home, subset="train", return_X_y=True)
    if validate:
        held_out = "validation", X[-N_VALIDATION:], y[-N_VALIDATION:]
        X, y = X[:-N_VALIDATION], y[:-N_VALIDATION]
    else:
        test = fetch_cifar10(data_home=data_home, subset="test", return_X_y=True)
        held_out = "test", *test

    model = make_pipeline(n_centroids, n_patches, n_epochs, seed)
    model.fit(np.concatenate([X, mirror(X)]), np.tile(y, 2))
    name, X_held_out, y_held_out = held_out
    probabilities = model.predict_proba(X_held_out)
    print(f"{name} accuracy {accuracy(model, probabilities, y_held_out):.4f}")
    # A mirror image has the same class, and some errors differ: average both predictions.
    probabilities += model.predict_proba(mirror(X_held_out))
    print(f"with mirror images {accuracy(model, probabilities, y_held_out):.4f}")

    path = output / "centroids.png"
    draw_centroids(model, path)
    print(f"picture: {path}")
    cpu = time.process_time()  # of all threads; other work on the machine does not count
    seconds = time.perf_counter() - start
    print(
        f"the script took {seconds:.0f} s, {cpu:.0f} s of CPU; peak memory {peak_memory():.0f} MB"
    )


def accuracy(model, probabilities, y):
    return np.mean(model.classes_[probabilities.argmax(axis=1)] == y)


def draw_centroids(model, path):
    """Draw the centroids with the largest weights, each scaled separately."""
    centroids, (W1, _) = model["features"].centroids_, model["network"].coefs_
    importances = np.linalg.norm(W1.reshape(4, len(centroids), -1), axis=(0, 2))
    shown = min(len(centroids), N_SHOWN)
    figure, ax = plt.subplots(figsize=(8, 8.4), layout="constrained")
    ax.set_title(f"the {shown} of {len(centroids):,} centroids that weigh most in the network")
    display = WeightsDisplay(
        weights=centroids.T, importances=importances, image_shape=(PATCH, PATCH, COLOURS)
    )
    display.plot(ax=ax, max_units=shown, scale="unit")
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("cifar10_patches_output"),
        help="folder for the picture",
    )
    parser.add_argument(
        "--data-home", help="folder of CIFAR-10; default: scikit-learn's data folder"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--centroids", type=int, default=N_CENTROIDS, help="number of clusters")
    parser.add_argument("--patches", type=int, default=N_PATCHES, help="patches for k-means")
    parser.add_argument("--epochs", type=int, default=N_EPOCHS, help="epochs of the network")
    parser.add_argument(
        "--validate",
        action="store_true",
        help="hold out the last 5,000 training images, and score on them instead of the test set",
    )
    arguments = parser.parse_args()
    main(
        arguments.output,
        arguments.data_home,
        arguments.seed,
        arguments.centroids,
        arguments.patches,
        arguments.epochs,
        arguments.validate,
    )
