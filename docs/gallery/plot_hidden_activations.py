"""
Hidden activations in two dimensions
====================================

The hidden layer is a description of the rows that the network made for its own use: the output is
only a linear model on it. `transform` hands it out, so that the network may stand in the middle of
a pipeline, or its view of the data be drawn.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

scaler = StandardScaler()
network = TwoLayerClassifier(hidden_size=100, activation="tanh", random_state=0)
hidden = make_pipeline(scaler, network).fit(X_train, y_train)
print(f"hidden activations of the test digits: {hidden.transform(X_test).shape}")

# %%
# Digits that the network has not seen, along the two principal axes of their pixels and of their
# hidden activations. The numbers say how often the five nearest of the training digits, in those
# two dimensions, give the right class.

figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.8), layout="constrained")
for ax, view, title in [(axes[0], scaler, "pixels"), (axes[1], hidden, "hidden activations")]:
    plane = PCA(2).fit(view.transform(X_train))
    train, test = plane.transform(view.transform(X_train)), plane.transform(view.transform(X_test))
    neighbours = KNeighborsClassifier(5).fit(train, y_train)
    points = ax.scatter(*test.T, c=y_test, cmap="tab10", vmin=-0.5, vmax=9.5, s=14, alpha=0.8)
    for digit in range(10):
        middle = test[y_test == digit].mean(axis=0)
        box = {"boxstyle": "circle", "facecolor": "white", "edgecolor": "0.6", "alpha": 0.85}
        ax.text(*middle, str(digit), ha="center", va="center", fontweight="bold", bbox=box)
    ax.set(xlabel="first principal axis", ylabel="second principal axis")
    ax.set_title(f"{title}: {neighbours.score(test, y_test):.0%} right by neighbours")
figure.colorbar(points, ax=axes, label="digit", ticks=range(10))
plt.show()

# %%
# A hidden layer of two units
# ---------------------------
#
# With two units nothing has to be projected: the plane *is* the hidden layer, and as the output is
# linear on it, the classes are separated by straight lines there.
