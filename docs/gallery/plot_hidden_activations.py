"""
Hidden activations in two dimensions
====================================

The network learns a representation of the samples: the activations of the hidden layer. The output
layer is a linear model of these activations. `transform` returns them. So you can draw the
representation, and the network can be a step in the middle of a pipeline.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from sk_twolayer import TwoLayerClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, stratify=y, random_state=0)

network = TwoLayerClassifier(hidden_size=100, activation="tanh", random_state=0)
a1 = network.fit(X_train, y_train).transform(X_test)
print(f"hidden activations of the test digits: {a1.shape}")

# %%
# The left plot shows the test digits along the first two principal axes of the pixels. The right
# plot uses the principal axes of the hidden activations. The percentages are the accuracies of a
# classifier that sees only these two dimensions and takes the five nearest training digits.

views = {
    "pixels": (X_train, X_test),
    "hidden activations": (network.transform(X_train), a1),
}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.6), layout="constrained")
for ax, (title, (train, test)) in zip(axes, views.items(), strict=True):
    plane = PCA(2).fit(train)
    neighbours = KNeighborsClassifier(5).fit(plane.transform(train), y_train)
    test = plane.transform(test)
    points = ax.scatter(*test.T, c=y_test, cmap="tab10", vmin=-0.5, vmax=9.5, s=14, alpha=0.8)
    for digit in range(10):
        middle = test[y_test == digit].mean(axis=0)
        box = {"boxstyle": "circle", "facecolor": "white", "edgecolor": "0.6", "alpha": 0.85}
        ax.text(*middle, str(digit), ha="center", va="center", fontweight="bold", bbox=box)
    ax.set(xlabel="first principal axis", ylabel="second principal axis")
    right = neighbours.score(test, y_test)
    ax.set_title(f"{title}\naccuracy of neighbours {right:.0%}", fontsize="medium")
figure.colorbar(points, ax=axes, label="digit", ticks=range(10))
plt.show()

# %%
# A hidden layer of two units
# ---------------------------
#
# With two units, the plane *is* the hidden layer, and no projection is needed. The output is linear
# in the hidden layer, so straight lines bound the region of each class. The first layer has to map
# the 64 pixels so that the ten digits fall into ten such regions of a square.

# sphinx_gallery_thumbnail_number = 2
network = TwoLayerClassifier(
    2, activation="tanh", solver="lbfgs", alpha=1e-3, max_iter=1000, tol=1e-3, random_state=0
)
a1 = network.fit(X_train, y_train).transform(X_test)

side = np.linspace(-1.05, 1.05, 300)
plane = np.stack(np.meshgrid(side, side), axis=-1)
predicted = (plane @ network.coefs_[1] + network.intercepts_[1]).argmax(axis=-1)

figure, ax = plt.subplots(figsize=(6.4, 5.2), layout="constrained")
ax.pcolormesh(side, side, predicted, cmap="tab10", vmin=-0.5, vmax=9.5, alpha=0.3)
points = ax.scatter(*a1.T, c=y_test, cmap="tab10", vmin=-0.5, vmax=9.5, s=18, edgecolors="white")
for digit in range(10):
    middle = plane[predicted == digit].mean(axis=0)
    ax.text(*middle, str(digit), ha="center", va="center", fontsize=22, alpha=0.6)
ax.set(xlabel="first hidden unit", ylabel="second hidden unit", aspect="equal")
score = network.score(X_test, y_test)
ax.set_title(f"two tanh units: test accuracy {score:.0%}", fontsize="medium")
figure.colorbar(points, label="digit (background: prediction)", ticks=range(10))
plt.show()
