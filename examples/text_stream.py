"""Train on a stream of documents with hashing and `partial_fit`, and test each chunk first.

The documents are synthetic: words follow a Zipf-Mandelbrot law, and some are more frequent in one
of the classes. `HashingVectorizer` needs no vocabulary, so the stream may have any length. Each
model predicts a chunk first and trains on it afterwards, so the accuracy over all chunks is an
accuracy on unseen documents ("prequential" evaluation; Gama, Sebastiao, Rodrigues, "On evaluating
stream learning algorithms", Machine Learning 2013).

    python examples/text_stream.py --rows 1000000

The network competes with a linear model, `SGDClassifier(loss="log_loss")`, and with an
`MLPClassifier` if `--peer` is given. The latter gets fewer hashed features, as the cost of its
updates grows with their number.
"""

import argparse
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

from sk_twolayer import TwoLayerClassifier


class Documents:
    """An endless source of documents of several classes."""

    def __init__(self, n_words, n_classes, length, seed):
        self.rng = np.random.default_rng(seed)
        self.n_classes, self.length = n_classes, length
        self.words = np.array([f"word{i}" for i in range(n_words)], dtype=object)
        frequencies = 1 / (np.arange(n_words) + 2.7)
        # One word in ten is informative: it is twice as frequent in one of the classes.
        class_of_word = np.where(
            self.rng.random(n_words) < 0.1, self.rng.integers(n_classes, size=n_words), -1
        )
        self.cumulated = [
            np.cumsum(frequencies * np.where(class_of_word == c, 2, 1)) for c in range(n_classes)
        ]

    def draw(self, n_rows):
        """Draw documents; return them and their classes."""
        y = self.rng.integers(self.n_classes, size=n_rows)
        lengths = np.maximum(self.rng.poisson(self.length, n_rows), 1)
        texts = []
        for c, length in zip(y, lengths, strict=True):
            cumulated = self.cumulated[c]
            words = np.searchsorted(cumulated, self.rng.random(length) * cumulated[-1])
            texts.append(" ".join(self.words[words]))
        return texts, y


def main(arguments):
    classes = np.arange(arguments.classes)
    models = {
        "TwoLayerClassifier": (
            # In an endless stream, a larger penalty would shrink the weights of rare words to zero.
            TwoLayerClassifier(
                arguments.hidden,
                solver="sgd",
                momentum=0.9,
                alpha=1e-6,
                init="he",
                batch_size=32,
                dropout=0.0,
                random_state=0,
            ),
            HashingVectorizer(n_features=2**arguments.bits, dtype=np.float32),
        ),
        "SGDClassifier": (
            SGDClassifier(loss="log_loss", random_state=0),
            HashingVectorizer(n_features=2**arguments.bits, dtype=np.float32),
        ),
    }
    if arguments.peer:
        models["MLPClassifier"] = (
            MLPClassifier(arguments.hidden, random_state=0),
            HashingVectorizer(n_features=2**arguments.peer_bits, dtype=np.float32),
        )
    source = Documents(arguments.words, arguments.classes, arguments.length, arguments.seed)
    seconds = dict.fromkeys(models, 0.0)
    correct = {name: [] for name in models}
    seen = []
    print(f"{'documents':>10}", *(f"{name:>20}" for name in models))
    while sum(seen) < arguments.rows:
        texts, y = source.draw(min(arguments.chunk, arguments.rows - sum(seen)))
        for name, (model, vectorizer) in models.items():
            X = vectorizer.transform(texts)
            start = time.perf_counter()
            # A model is not fitted before its first chunk: count the accuracy of guessing.
            correct[name].append(
                np.count_nonzero(model.predict(X) == y) if seen else len(y) / len(classes)
            )
            if name == "TwoLayerClassifier":  # `SGDClassifier` decays its rate by itself
                model.set_params(learning_rate=0.4 / np.sqrt(1 + len(seen) / 3))
            model.partial_fit(X, y, classes=classes)
            seconds[name] += time.perf_counter() - start
        seen.append(len(y))
        if len(seen) % arguments.every == 0 or sum(seen) == arguments.rows:
            last = sum(seen[-arguments.every :])
            shares = (sum(correct[name][-arguments.every :]) / last for name in models)
            print(f"{sum(seen):10d}", *(f"{share:20.4f}" for share in shares), flush=True)

    n = np.cumsum([0, *seen])
    recent = max(len(seen) // 20, 1)  # chunks of the moving average
    fig, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    for name in models:
        total = np.cumsum([0, *correct[name]])
        moving = (total[recent:] - total[:-recent]) / (n[recent:] - n[:-recent])
        print(
            f"{name}: {total[-1] / n[-1]:.4f} of {n[-1]} correct, {moving[-1]:.4f} of the last "
            f"{n[-1] - n[-1 - recent]}, {seconds[name]:.1f} s"
        )
        (line,) = ax.plot(n[1:], np.array(correct[name]) / seen, lw=0.8, alpha=0.3)
        ax.plot(n[recent:], moving, color=line.get_color(), lw=2, label=name)
    ax.set(xlabel="documents", ylabel="accuracy, tested then trained")
    ax.set_title(f"each chunk (thin), mean of {recent} chunks (thick)", fontsize="medium")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.legend()
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "text_stream.png"
    fig.savefig(path, dpi=120)
    print(f"picture: {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=30_000, help="total number of documents")
    parser.add_argument("--chunk", type=int, default=1000, help="documents per chunk")
    parser.add_argument("--every", type=int, default=5, help="chunks between printed lines")
    parser.add_argument("--words", type=int, default=200_000, help="number of different words")
    parser.add_argument("--length", type=int, default=100, help="mean words per document")
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=100, help="hidden units")
    parser.add_argument("--bits", type=int, default=20, help="hash to 2**bits features")
    parser.add_argument("--peer", action="store_true", help="also run MLPClassifier")
    parser.add_argument("--peer-bits", type=int, default=14, help="--bits of MLPClassifier")
    parser.add_argument("--output", type=Path, default=Path("text_stream_output"))
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args())
