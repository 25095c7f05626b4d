"""
The exercise on digits
======================

The two-layer exercise of CS231n trains a network on small images, plots its loss, and draws the
weights of its hidden units. This script does the same on the 1,797 handwritten digits of 8 x 8
pixels that come with scikit-learn. The network is trained as in the exercise: gradient descent on
mini-batches without momentum, a learning rate that decays after each epoch, small initial weights,
and an L2 penalty.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.display import LossCurveDisplay, WeightsDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, stratify=y, random_state=0)
model = TwoLayerClassifier(
    40,
    solver="sgd",
    momentum=0.0,
    init=0.01,
    learning_rate=0.5,
    learning_rate_schedule="exponential",
    learning_rate_decay=0.95,
    warmup_fraction=0.0,
    dropout=0.0,
    alpha=3e-3,
    max_iter=10_000,
    max_updates=400,
    n_iter_no_change=None,
    early_stopping=True,
    random_state=0,
)
model.fit(X_train, y_train)
print(f"after {model.n_updates_} updates: test accuracy {model.score(X_test, y_test):.3f}")

# %%
# How it learned
# --------------
#
# The loss of a batch is noisy, since each batch contains other digits. At first the loss is flat,
# because small weights make small gradients. Then it falls fast. ``early_stopping`` holds out a
# tenth of the digits. The accuracy on them rises some epochs later than the training accuracy, and
# then stays close to it.

LossCurveDisplay.from_estimator(model)
plt.show()

# %%
# What its hidden units look for
# ------------------------------
#
# Each small image shows the 64 weights of one hidden unit, arranged like the pixels of a digit. Ink
# on red pixels increases the input of the unit, and ink on blue pixels decreases it. The weights
# show strokes, arcs and gaps at certain places. The units are sorted by importance. The last ones
# are not needed, and the penalty has shrunk their weights almost to zero.

WeightsDisplay.from_estimator(model, (8, 8), cmap="RdBu_r")
plt.show()

# %%
# What it gets wrong
# ------------------
#
# These are the first test digits that the network gets wrong.

# sphinx_gallery_thumbnail_number = 2
predicted = model.predict(X_test)
wrong = (predicted != y_test).nonzero()[0][:8]
figure, axes = plt.subplots(2, 4, figsize=(6.4, 3.8), layout="constrained")
for ax, i in zip(axes.flat, wrong, strict=True):
    ax.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"{y_test[i]} taken for {predicted[i]}", fontsize="medium")
plt.show()
