"""
Class weights on an imbalanced table
====================================

Suppose that one sample in twenty belongs to the class that matters. A network that never predicts
this class has an accuracy of 95 %. `class_weight` sets the cost of an error on each class. With a
larger weight of the rare class, the network finds more of its samples.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import ConfusionMatrixDisplay, precision_score, recall_score
from sklearn.model_selection import train_test_split

from sk_twolayer import TwoLayerClassifier

X, y = make_classification(
    8000, n_features=12, n_informative=6, weights=[0.95], class_sep=0.8, random_state=3
)
y = np.where(y == 1, "faulty", "sound")
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
for label, count in zip(*np.unique(y_train, return_counts=True), strict=True):
    print(f"{label}: {count} training samples")

# %%
# Which class is taken for which
# ------------------------------
#
# The rows of each matrix are the true classes, and the columns are the predictions. Each row sums
# to 1. With "balanced", both classes have the same total weight in the loss.

weights = {
    "no weights": None,
    "faulty counts 5 times": {"faulty": 5, "sound": 1},
    '"balanced"': "balanced",
}
style = {"cmap": "Blues", "values_format": ".2f", "colorbar": False}
figure, axes = plt.subplots(1, 3, figsize=(6.4, 2.8), layout="constrained")
for ax, (title, class_weight) in zip(axes, weights.items(), strict=True):
    model = TwoLayerClassifier(class_weight=class_weight, random_state=0).fit(X_train, y_train)
    ConfusionMatrixDisplay.from_estimator(model, X_test, y_test, normalize="true", ax=ax, **style)
    ax.set_title(title, fontsize="medium")
    ax.label_outer()
plt.show()

# %%
# Benefit and cost of a weight
# ----------------------------
#
# With a larger weight of the faulty parts, the network finds more of them, and suspects more sound
# parts. The weights also change the probabilities. They are then the probabilities in a population
# in which the classes are as frequent as their weights suggest.

counts = [1, 2, 4, 8, 16, 32]
recall, precision = [], []
for count in counts:
    model = TwoLayerClassifier(class_weight={"faulty": count, "sound": 1}, random_state=0)
    predicted = model.fit(X_train, y_train).predict(X_test)
    recall.append(recall_score(y_test, predicted, pos_label="faulty"))
    precision.append(precision_score(y_test, predicted, pos_label="faulty"))

figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
ax.plot(counts, recall, marker="o", label="recall: faulty parts that are found")
ax.plot(counts, precision, marker="o", label="precision: suspected parts that are faulty")
ax.set_xscale("log", base=2)
ax.xaxis.set_major_formatter("{x:g}")
ax.set(xlabel="weight of the class of faulty parts", ylabel="share on test samples", ylim=(0, 1))
ax.legend(loc="lower left")
plt.show()
