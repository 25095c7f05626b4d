"""
Text at full width
==================

Hashing assigns a column to every word without a dictionary. With few columns, several words share
a column, and the network cannot distinguish them. With a million columns, almost every word has its
own. The samples are then very sparse: each has about eighty words. In a wide matrix, more columns
cost this network almost nothing, since an update changes only the rows of W1 whose words occur. The
updates of other rows are pending. They are applied, exactly, when these rows are next needed.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.neural_network import MLPClassifier

from sk_twolayer import TwoLayerClassifier

# %%
# Each generated document has 80 words. 72 of them carry no information about the class. As in
# natural language, a few of these words are frequent, and most are rare. The other eight words
# belong to the subject of the class, which has 800 words.

rng = np.random.default_rng(0)
words = np.array([f"word{i}" for i in range(60_000)], dtype=object)
frequencies = 1 / (np.arange(len(words)) + 10)
frequencies /= frequencies.sum()


def draw(n_rows, n_classes=6):
    y = rng.integers(n_classes, size=n_rows)
    subject = rng.integers(200, 1000, size=(n_rows, 8)) * n_classes + y[:, np.newaxis]
    numbers = np.hstack([rng.choice(len(words), (n_rows, 72), p=frequencies), subject])
    return [" ".join(document) for document in words[numbers]], y


texts, y = draw(2000)
texts_test, y_test = draw(2000)

# %%
# The same documents are hashed to more and more columns. `MLPClassifier` updates all of its weights
# in each batch, so this script runs it with at most 2**17 columns. A pass is over 2,000 documents.

widths = 2 ** np.arange(8, 21, 3)
accuracy, seconds, seconds_of_peer = [], [], []


def seconds_of_pass(model, X):
    model.partial_fit(X, y, classes=range(6))  # also draws the initial weights
    clock = [time.process_time()]
    for _ in range(2):
        model.partial_fit(X, y)
        clock.append(time.process_time())
    return min(np.diff(clock))


for width in widths:
    vectorizer = HashingVectorizer(n_features=width, dtype=np.float32)
    X, X_test = vectorizer.transform(texts), vectorizer.transform(texts_test)
    accuracy.append(TwoLayerClassifier(20, random_state=0).fit(X, y).score(X_test, y_test))
    seconds.append(seconds_of_pass(TwoLayerClassifier(20, random_state=0), X))
    if width <= 2**17:
        seconds_of_peer.append(seconds_of_pass(MLPClassifier(20, random_state=0), X))

figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.4), layout="constrained")
left.plot(widths, accuracy, marker="o")
left.axhline(1 / 6, color="0.5", ls=":")
left.annotate("guessing", (2**14, 1 / 6), (0, 4), textcoords="offset points", color="0.35")
left.set(xscale="log", ylim=(0, 1), xlabel="columns", ylabel="accuracy on test documents")
right.loglog(widths, seconds, marker="o", label="TwoLayerClassifier")
right.loglog(widths[: len(seconds_of_peer)], seconds_of_peer, marker="o", label="MLPClassifier")
right.set(xlabel="columns", ylabel="processor seconds of a pass")
right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
right.yaxis.set_major_formatter("{x:g}")
right.yaxis.set_minor_formatter(NullFormatter())
figure.legend(loc="outside upper right", ncols=2)
for ax in (left, right):
    ax.set_xscale("log", base=2)
plt.show()

# %%
# From 2**17 columns on, words hardly share columns, and the accuracy grows little. Up to 2**14
# columns, a pass takes longer with more columns, since fewer words share a row of W1. Beyond, the
# time hardly changes. With few columns `MLPClassifier` is faster: its batches are larger, and
# nearly every row of W1 changes in each update. Lazy updates pay from about 2**14 columns on, where
# the lines cross.
