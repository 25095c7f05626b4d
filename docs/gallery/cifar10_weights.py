"""
What hidden units see in photographs
====================================

CIFAR-10 has 50,000 training photographs of 32 x 32 pixels. The weights of a hidden unit form an
image of the same size, which shows what activates the unit.

This script takes a quarter of an hour and downloads 170 MB, so it does not run when the site is
built. ``examples/sweep.py --dataset cifar10``, ``cifar10_best.py`` and ``cifar10_patches.py`` made
its pictures and numbers on 2026-11-25, on two cores of a shared x86-64 machine. The images were
JPEG re-encodings, which differ slightly from the originals.
"""

# sphinx_gallery_thumbnail_path = 'cifar10_best_weights.png'
import numpy as np
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.datasets import fetch_cifar10
from sk_twolayer.display import WeightsDisplay

X, y = fetch_cifar10(return_X_y=True)

# The exercise uses the last 1,000 images for validation.
fold = np.full(len(X), -1)
fold[49_000:] = 0

# %%
# The exercise's first settings
# -----------------------------
#
# After 1,000 updates with a small learning rate, the validation accuracy is 0.305. The hidden units
# are nearly equal: each is a blur in one of a few colours, and some look like the front of a car.

network = TwoLayerClassifier(
    50,
    solver="sgd",
    init=1e-4,
    learning_rate=1e-4,
    learning_rate_schedule="exponential",
    warmup_fraction=0.0,
    alpha=0.5,
    momentum=0.0,
    batch_size=200,
    replacement=True,
    dropout=0.0,
    max_iter=10_000,
    max_updates=1000,
    n_iter_no_change=None,
    random_state=0,
)
model = make_pipeline(StandardScaler(with_std=False), network)
model.fit(X[fold == -1], y[fold == -1])
WeightsDisplay.from_estimator(model, (32, 32, 3), quantile=0.99)

# %%
# .. image:: /cifar10_naive_weights.png
#    :alt: Weights of 50 hidden units with the first settings: nearly equal blurs
#    :width: 70%
#    :align: center
#
# The exercise's sweep
# --------------------
#
# The best of the exercise's learning rates and penalties, with twice as many updates, has an
# accuracy of 0.505. Now the units differ. They show patches of one colour, bands like sky and
# ground, and blurred shapes.

network.set_params(max_updates=2000)
rates_and_penalties = {
    "twolayerclassifier__learning_rate": [1e-2, 1e-3],
    "twolayerclassifier__alpha": [0.4, 0.5, 0.6],
}
search = GridSearchCV(model, rates_and_penalties, cv=PredefinedSplit(fold)).fit(X, y)
WeightsDisplay.from_estimator(search, (32, 32, 3), quantile=0.99)

# %%
# .. image:: /cifar10_tuned_weights.png
#    :alt: Weights of 50 hidden units after the sweep: patches, bands and blurred shapes
#    :width: 70%
#    :align: center
#
# The best recipe
# ---------------
#
# ``examples/cifar10_best.py`` trains 2,000 units on the 300 whitened principal axes of the images,
# with twelve shifted and mirrored versions of each image. The test accuracy is 0.669. The axes are
# linear in the pixels, so the weights can still be drawn as images. They show edges, gratings and
# opposed colours, like the first layer of a convolutional network. But each unit sees one place in
# the image. This network cannot know that the same edge at another place is similar.
#
# .. image:: /cifar10_best_weights.png
#    :alt: Weights of the 100 most important of 2,000 hidden units: edges, gratings and colours
#    :width: 100%
#    :align: center
#
# Features learned without labels
# -------------------------------
#
# ``examples/cifar10_patches.py`` follows Coates, Ng and Lee (2011). k-means finds 1,600 centroids
# of small whitened patches. A transformer measures how close the patches in each quarter of an
# image are to each centroid. So an edge has the same features at any place within a quarter. The
# network is the next step of the pipeline. The test accuracy is 0.761, and the script takes 7.9
# minutes.
#
# .. image:: /cifar10_patches_centroids.png
#    :alt: Centroids of whitened patches: edges, bars and corners, grey and coloured
#    :width: 100%
#    :align: center
