"""
The exercise on digits
======================

The two-layer exercise of CS231n trains a network on small pictures, watches its loss, and looks at
what its hidden units have learned. Here it is on the 1,797 handwritten digits of 8 x 8 pixels that
come with scikit-learn, in the exercise's manner: plain gradient descent on mini-batches, tiny
initial weights, and a penalty on their squares.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.display import LossCurveDisplay, WeightsDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, stratify=y, random_state=0)
model = TwoLayerClassifier(
    40, solver="sgd", init=0.01, alpha=3e-3, max_iter=60, early_stopping=True, random_state=0
)
model.fit(X_train, y_train)
print(f"after {model.n_updates_} updates: test accuracy {model.score(X_test, y_test):.3f}")

# %%
# How it learned
# --------------
#
# The loss of a single batch is noisy, as every batch holds other digits and dropout silences other
# units; its moving average falls fast, once the first weights have grown large enough to carry the
# gradient. The accuracy on the tenth of the digits that ``early_stopping`` held out follows that
# on the others.

LossCurveDisplay.from_estimator(model)
plt.show()

# %%
# What its hidden units look for
# ------------------------------
#
# Each small picture shows the 64 weights that lead into one hidden unit, as they lie over the
# digit: where they are red, ink adds to the unit, and where they are blue, it takes away. What
# appears are strokes, arcs and gaps at certain places. The units come by importance; the penalty
# has taken the last ones, which the others can do without, almost to zero.

WeightsDisplay.from_estimator(model, (8, 8), cmap="RdBu_r")
plt.show()

# %%
# What it gets wrong
# ------------------
#
# A look at the mistakes tells more than their number.

# sphinx_gallery_thumbnail_number = 2
predicted = model.predict(X_test)
wrong = (predicted != y_test).nonzero()[0][:8]
figure, axes = plt.subplots(1, len(wrong), figsize=(9, 1.8), layout="constrained")
for ax, i in zip(axes, wrong, strict=True):
    ax.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"{y_test[i]} taken for {predicted[i]}", fontsize="small")
plt.show()
