"""CIFAR-10 with two layers, behind features that are learned without labels.

Coates, Ng and Lee ("An analysis of single-layer networks in unsupervised feature learning",
AISTATS 2011) showed how far one layer of features goes if there are many of them: k-means finds
the small patches that pictures are made of, and a picture is described by how close each of its
patches is to each centroid, summed over each quarter of the picture. Here a scikit-learn
transformer does that, and the network comes after it, in one pipeline.

All choices were made on the last 5,000 training images, and `--validate` trains without them. The
figures are single runs on JPEG re-encodings of CIFAR-10, so differences below 0.01 may be chance.
With the settings below the validation accuracy is 0.756, and 0.761 with the vote of mirror images;
the test accuracy, trained on all images, is 0.761, and 0.763 with that vote. All of it takes 7.9
minutes on two cores, and 3.2 GB.

What parts of the recipe are worth, as validation accuracy; alone, and with that vote:

    this recipe: 400 units, mirror images in training, 11 epochs        0.756    0.761
    the same with alpha=1 and 7 epochs                                  0.737    0.742
    400 units, dropout=0.3, alpha=0.1, without them, 12 epochs          0.744    0.753
    600 units, dropout=0.5, alpha=0.1, without them, 15 epochs          0.739    0.748
    300 units, dropout=0.5, alpha=0.1, without them, 6 epochs           0.711    0.717
    300 units, solver="sgd", without them, 10 epochs                    0.716    0.723
    400 units, dropout=0.3, alpha=6, without mirror images, 12 epochs   0.710    0.709
    no hidden layer (activation="identity"), without them, 12 epochs    0.689    0.693
"""

import argparse
import resource
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
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.datasets import fetch_cifar10
from sk_twolayer.display import WeightsDisplay

N_VALIDATION = 5_000
SIDE, PATCH, COLOURS = 32, 6, 3  # of a picture and of a patch, in pixels
PLACES = SIDE - PATCH + 1  # of a patch along a side of the picture

# Both are those of the paper, for pixels from 0 to 255: what is added to the variance of a
# patch, so that noise in a plain sky is not blown up, and to that of an axis.
CONTRAST_FLOOR = 10.0
WHITENING_FLOOR = 0.1

N_CENTROIDS = 1600
N_PATCHES = 400_000
N_SHOWN = 225

RECIPE = {
    "hidden_size": 400,
    "solver": "adamw",
    # For W1 and W2 alike. With 1e-3 the accuracy was the same (0.710 against 0.711, with 300
    # units); the automatic rate, 0.03 for W2, was worse.
    "learning_rate": 3e-4,
    # 6, with which the training accuracy hardly exceeds the other, took it from 0.744 to 0.710.
    "alpha": 0.1,
    "dropout": 0.4,
    "batch_size": 200,
}
N_EPOCHS = 11


def patches_of(X):
    """Return a view of every patch of every picture.

    Parameters
    ----------
    X : ndarray of shape (n_images, 3072)
        Rows as those of `fetch_cifar10`.

    Returns
    -------
    patches : ndarray of shape (n_images, 27, 27, 6, 18)
        A line of a patch is 6 pixels of 3 colours, which lie side by side in X.
    """
    lines = X.reshape(-1, SIDE, SIDE * COLOURS)
    windows = sliding_window_view(lines, (PATCH, PATCH * COLOURS), axis=(1, 2))
    return windows[:, :, ::COLOURS]


def normalise_contrast(patches):
    """Return each patch as a row, in float32, brought to mean 0 and (nearly) variance 1."""
    rows = patches.reshape(-1, PATCH * PATCH * COLOURS).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.sqrt(np.square(rows).mean(axis=1, keepdims=True) + CONTRAST_FLOOR)
    return rows


def quarters():
    """Return which places of a patch lie in which quarter: 4 rows of 0 and 1."""
    half = np.arange(PLACES) >= (PLACES + 1) // 2
    halves = np.stack([~half, half])
    return np.einsum("ir,jc->ijrc", halves, halves).reshape(4, -1).astype(np.float32)


class PatchFeatures(TransformerMixin, BaseEstimator):
    """Describe pictures by how close their patches are to the centroids of k-means.

    A patch at distance d_k from centroid k, and at distance m from all of them on average, has
    the activations max(0, m - d_k), of which about half are zero (the "triangle"). They are
    summed over the patches in each quarter of the picture, which gives 4 numbers for each
    centroid; these are standardised.

    Parameters
    ----------
    n_centroids : int
        Clusters to find.
    n_patches : int
        Patches to find them from, drawn from all pictures at random.
    n_passes : int, default=6
        Passes of k-means over them.
    n_standardise : int, default=2_000
        Most pictures, drawn at random, that tell the mean and the standard deviation of a
        feature. That of all would be no better, and take all features at once.
    n_jobs : int, default=-1
        Threads to transform with; -1 uses all cores.
    random_state : int, default=None
        Draws the patches, the first centroids and the pictures.
    verbose : bool, default=False
        Print a line after each step and after every tenth of a large transformation.

    Attributes
    ----------
    whitening_mean_ : ndarray of shape (108,)
        Of patches whose contrast is normalised.
    whitening_ : ndarray of shape (108, 108)
        The symmetric (ZCA) matrix after which the covariance of patches is nearly the identity.
    centroids_ : ndarray of shape (n_centroids, 108)
        In the space of whitened patches, where k-means works.
    mean_, scale_ : ndarray of shape (4 * n_centroids,)
        Mean and standard deviation of the sums.

    Notes
    -----
    Nearly all the time goes into one matrix product for each picture, of 729 patches and the
    centroids; ``|x|^2 + |c|^2 - 2 x c`` comes out of it as it is, as two columns more hold the
    squares. All that follows is done in the place of its result, in the cache.
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
        """Find the whitening, the centroids and the scale of the features; y is not used."""
        X = self._validate(X)
        rng = check_random_state(self.random_state)
        self._say(f"{self.n_patches:,} patches of {len(X):,} pictures")
        patches = patches_of(X)
        places = (rng.randint(n, size=self.n_patches) for n in patches.shape[:3])
        patches = normalise_contrast(patches[tuple(places)])

        self.whitening_mean_ = patches.mean(axis=0)
        patches -= self.whitening_mean_
        variances, axes = eigh(patches.T @ patches / len(patches))
        self.whitening_ = axes / np.sqrt(variances + WHITENING_FLOOR) @ axes.T
        patches = patches @ self.whitening_

        self._say(f"k-means: {self.n_passes} passes to find {self.n_centroids:,} centroids")
        clusters = MiniBatchKMeans(
            self.n_centroids,
            batch_size=10_000,
            max_iter=self.n_passes,
            max_no_improvement=None,
            n_init=1,
            compute_labels=False,
            random_state=rng,
        )
        # One thread, as several would mostly wait for each other on batches as small as these.
        with threadpool_limits(1):
            self.centroids_ = clusters.fit(patches).cluster_centers_

        sums = self._pooled(X[rng.permutation(len(X))[: self.n_standardise]])
        self.mean_, self.scale_ = sums.mean(axis=0), sums.std(axis=0)
        self.scale_[self.scale_ == 0] = 1  # of a centroid that no patch comes near
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
                f"X has {X.shape[1]} columns, but a picture has {SIDE} x {SIDE} pixels of "
                f"{COLOURS} colours, {SIDE * SIDE * COLOURS} in all. Pass rows as those that "
                "fetch_cifar10 returns."
            )
        return X

    def _pooled(self, X):
        """Return the sums of activations in each quarter, computed by a thread for each core."""
        result = np.empty((len(X), 4 * self.n_centroids), np.float32)
        squares = np.square(self.centroids_).sum(axis=1)
        matrix = np.vstack([-2 * self.centroids_.T, squares, np.ones_like(squares)])
        pool = quarters()
        # The threads do not share the work of a product: so each may go on when it is ready.
        with threadpool_limits(1, "blas"), Parallel(self.n_jobs, prefer="threads") as parallel:
            for many in gen_batches(len(X), 10_000):
                images, out = X[many], result[many]
                parallel(
                    delayed(self._pool_block)(images[few], matrix, pool, out[few])
                    for few in gen_batches(len(images), 100)
                )
                self._say(f"features of {many.stop:,} of {len(X):,} pictures")
        return result

    def _pool_block(self, X, matrix, pool, result):
        """Write the sums of a few pictures."""
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
            np.maximum(distances, 0, out=distances)  # rounding may have left less
            np.sqrt(distances, out=distances)
            means = distances @ average
            np.subtract(means[:, np.newaxis], distances, out=distances)
            activations = np.maximum(distances, 0, out=distances)
            np.matmul(pool, activations, out=sums)

    def _say(self, words):
        if self.verbose:
            print(words, flush=True)


def mirror(X):
    """Return the mirror image of each picture."""
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
    # What is seen in a mirror is of the same class, and not all mistakes are made twice.
    probabilities += model.predict_proba(mirror(X_held_out))
    print(f"with the vote of mirror images {accuracy(model, probabilities, y_held_out):.4f}")

    path = output / "centroids.png"
    draw_centroids(model, path)
    print(f"picture: {path}")
    # Of all threads; on a machine with other work, the better measure of the cost.
    cpu = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = time.perf_counter() - start
    print(f"all of it took {seconds:.0f} s, {cpu:.0f} s of CPU; peak memory {peak:.0f} MB")


def accuracy(model, probabilities, y):
    return np.mean(model.classes_[probabilities.argmax(axis=1)] == y)


def draw_centroids(model, path):
    """Draw the centroids that weigh most in the network, each in colours of its own scale."""
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
        "--data-home", help="where CIFAR-10 is kept; scikit-learn's folder if unset"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number")
    parser.add_argument("--centroids", type=int, default=N_CENTROIDS, help="clusters to find")
    parser.add_argument("--patches", type=int, default=N_PATCHES, help="patches to find them from")
    parser.add_argument("--epochs", type=int, default=N_EPOCHS, help="epochs of the network")
    parser.add_argument(
        "--validate",
        action="store_true",
        help="train without the last 5,000 training images, and score on them, not on the test set",
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
