"""The same network as the estimator's, in float64 and written the obvious way.

Stateful tests compare the estimator with it, step by step. Nothing here comes from the package:
gradients follow the textbook, every parameter moves at every update, and samples are dense. Only
the order in which random numbers are drawn is the estimator's:

1. a new network draws W1 and then W2, ``standard_normal`` each;
2. an epoch with dropout draws the seed of its generator, ``randint(2**31)``, a PCG64;
3. an epoch draws the order of the samples with a weight, ``permutation(n)``, or with replacement
   each of its batches, ``choice(n, batch_size)``.

An int `random_state` starts these draws anew, but a call that continues the training (after
`partial_fit`, or a fit with `warm_start`) continues them. A call that fails may leave the model
half changed: callers train a copy.
"""

from math import ceil, sqrt

import numpy as np
from scipy.special import expit, logsumexp


def sgd(memory, w, g, rate, parameters):
    """Return how far SGD moves one array of parameters."""
    momentum = parameters["momentum"]
    if momentum == 0:
        return -rate * g
    v = memory["velocity"] = momentum * memory.get("velocity", 0) - rate * g
    return momentum * v - rate * g if parameters["nesterov"] else v


def adam(memory, w, g, rate, parameters):
    """Return how far Adam moves one array of parameters."""
    beta_1, beta_2 = parameters["beta_1"], parameters["beta_2"]
    t = memory["t"] = memory.get("t", 0) + 1
    m = memory["mean"] = beta_1 * memory.get("mean", 0) + (1 - beta_1) * g
    v = memory["square"] = beta_2 * memory.get("square", 0) + (1 - beta_2) * g**2
    rate_t = rate * sqrt(1 - beta_2**t) / (1 - beta_1**t)
    return -rate_t * m / (np.sqrt(v) + parameters["epsilon"])


def adamw(memory, w, g, rate, parameters):
    """Return how far AdamW moves one array of parameters; only the weights decay."""
    beta_1, beta_2 = parameters["beta_1"], parameters["beta_2"]
    t = memory["t"] = memory.get("t", 0) + 1
    m = memory["mean"] = beta_1 * memory.get("mean", 0) + (1 - beta_1) * g
    v = memory.get("square", np.full(g.shape, parameters["epsilon"] ** 2))
    v = memory["square"] = beta_2 * v + (1 - beta_2) * g**2
    decay = parameters["alpha"] if w.ndim == 2 else 0
    return -rate * (m / (1 - beta_1**t) / np.sqrt(v / (1 - beta_2**t)) + decay * w)


# How each solver moves the parameters. The stateful tests try all of these.
SOLVERS = {"sgd": sgd, "adam": adam, "adamw": adamw}

ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "logistic": (expit, lambda z: expit(z) * (1 - expit(z))),
    "identity": (lambda z: z, np.ones_like),
}


def kept_units(generator, shape, probability):
    """Return the factors of the activations: each unit takes the next 16 random bits."""
    words = generator.random_raw(ceil(shape[0] * shape[1] / 4))
    numbers = np.array(
        [[int(word) >> shift & 0xFFFF for shift in (0, 16, 32, 48)] for word in words]
    )
    dropped = round(probability * 65536)
    kept = numbers.ravel()[: shape[0] * shape[1]].reshape(shape) >= dropped
    return kept * 65536 / (65536 - dropped)


class DivergedError(Exception):
    """The loss, a parameter or a moment of the optimizer is not finite."""


class PlainModel:
    """The model and its history; `parameters` are the hyper-parameters of the estimator."""

    def __init__(self, **parameters):
        self.parameters = parameters
        self.fitted = False
        self.copied = False  # since the weights were drawn
        self.resumable = None  # what a later call continues from, or None

    def fit(self, X, y, sample_weight=None, validation=None, max_updates=None):
        p = self.parameters
        if not (p["warm_start"] and self.fitted):
            self.fitted, self.resumable = False, None
        classes = np.unique(y) if y.ndim == 1 else np.arange(y.shape[1])
        decays = p["learning_rate_schedule"] == "exponential"
        self._train(
            *(X, y, sample_weight, classes, validation),
            max_iter=p["max_iter"],
            max_updates=np.inf if p["max_updates"] is None else p["max_updates"],
            interrupted_after=max_updates,
            decay=p["learning_rate_decay"] if decays else 1.0,
            keeps=p["warm_start"],
            is_chunk=False,
        )

    def partial_fit(self, X, y, classes, sample_weight=None):
        self._train(
            *(X, y, sample_weight, np.asarray(classes), None),
            max_iter=1,
            max_updates=np.inf,
            interrupted_after=None,
            decay=1.0,
            keeps=True,
            is_chunk=True,
        )

    @np.errstate(over="ignore", invalid="ignore")
    def _train(
        self,
        X,
        y,
        sample_weight,
        classes,
        validation,
        *,
        max_iter,
        max_updates,
        interrupted_after,
        decay,
        keeps,
        is_chunk,
    ):
        p, state = self.parameters, self.resumable or {}
        rng = p["random_state"]
        if isinstance(rng, int):
            rng = state.get("rng") or np.random.RandomState(rng)
        if not self.fitted:
            self._start(X.shape[1], y, classes, rng)
        Y, counted = self._targets(y), np.ones(len(y)) if sample_weight is None else sample_weight
        weights = counted * self._class_weights(y, counted, state if is_chunk else {})
        samples = np.flatnonzero(weights)
        batch_size = p["batch_size"] if p["replacement"] else min(p["batch_size"], len(samples))

        self.rate = self.initial_rate = p["learning_rate"]
        memories, position = [{} for _ in self.weights], 0
        if state.get("solver") == p["solver"]:
            memories, position = state["memories"], state["position"]
            if state["learning_rate"] == self.rate:
                self.rate, self.initial_rate = state["rate"], state["initial_rate"]
        best, n_updates = (-np.inf, None), 0
        if not is_chunk:
            rounded = np.floor if p["replacement"] else np.ceil
            in_an_epoch = max(int(rounded(len(samples) / batch_size)), 1)
            planned = min(max_iter * in_an_epoch, max_updates)
            if p["learning_rate_schedule"] == "cosine":
                position = position if position < planned else 0  # else that plan has ended
                max_updates = planned - position
        if interrupted_after is not None:
            max_updates = min(max_updates, interrupted_after)
        self.n_iter = 0
        while self.n_iter < max_iter and n_updates < max_updates:
            sums = np.zeros(3)
            if p["dropout"]:
                dropped = np.random.PCG64(rng.randint(2**31))
            for batch in self._batches(samples, batch_size, rng):
                keep = 1.0
                if p["dropout"]:
                    shape = len(batch), p["hidden_size"]
                    keep = kept_units(dropped, shape, p["dropout"])
                loss, accuracy, gradients = self._loss(X[batch], Y[batch], weights[batch], keep)
                rate = self.rate
                if not is_chunk:
                    rate, position = rate * self._factor(position, planned), position + 1
                for w, g, memory in zip(self.weights, gradients, memories, strict=True):
                    w += SOLVERS[p["solver"]](memory, w, g, rate, p)
                kept = [value for memory in memories for value in memory.values()]
                if not all(np.isfinite(value).all() for value in [loss, *self.weights, *kept]):
                    raise DivergedError
                self.batch_losses.append(loss)
                sums += weights[batch].sum() * np.array([loss, accuracy, 1])
                n_updates += 1
                if n_updates == max_updates:
                    break
            self.n_iter += 1
            self.losses.append(sums[0] / sums[2])
            self.train_scores.append(sums[1] / sums[2])
            self.rate *= decay
            if validation is not None:
                X_val, y_val = validation
                loss, score, _ = self._loss(X_val, self._targets(y_val), np.ones(len(X_val)))
                self.validation_losses.append(loss)
                self.validation_scores.append(score)
                if score >= best[0]:
                    best = score, [w.copy() for w in self.weights]
        if validation is not None:
            self.weights = best[1]
        self.best_loss = None if validation is not None else min(self.losses)
        self.fitted, self.resumable = True, None
        if keeps:
            self.resumable = {
                **{"solver": p["solver"], "memories": memories, "counts": self.counts},
                **{"learning_rate": p["learning_rate"], "initial_rate": self.initial_rate},
                **{"rate": self.rate, "rng": rng, "position": position},
            }

    def _factor(self, position, planned):
        """Return the factor of the rate at an update; the first is number 0."""
        n_warmup = round(self.parameters["warmup_fraction"] * planned)
        if position < n_warmup:
            return (position + 1) / n_warmup
        if self.parameters["learning_rate_schedule"] != "cosine":
            return 1.0
        return 0.5 + 0.5 * np.cos(np.pi * (position - n_warmup) / (planned - n_warmup))

    def _start(self, n_features, y, classes, rng):
        """Draw the weights and clear the history."""
        hidden = self.parameters["hidden_size"]
        self.classes, self.copied = classes, False
        self.softmax = y.ndim == 1 and len(classes) > 2
        n_outputs = 1 if y.ndim == 1 and len(classes) == 2 else len(classes)
        W1 = self.parameters["init"] * rng.standard_normal((n_features, hidden))
        W2 = self.parameters["init"] * rng.standard_normal((hidden, n_outputs))
        self.weights = [W1, W2, np.zeros(hidden), np.zeros(n_outputs)]
        self.batch_losses, self.losses, self.train_scores = [], [], []
        self.validation_losses, self.validation_scores = [], []

    def _targets(self, y):
        """Return a column of 0 and 1 for each output."""
        if y.ndim == 2:
            return y.astype(float)
        Y = (y[:, np.newaxis] == self.classes).astype(float)
        return Y if self.softmax else Y[:, 1:]

    def _class_weights(self, y, counted, state):
        """Return the weight of each sample by its class; count classes, in earlier chunks too."""
        self.counts = None
        if y.ndim == 2:
            return np.ones(len(y))
        is_class = y[:, np.newaxis] == self.classes
        self.counts = counted @ is_class + state.get("counts", 0)
        class_weight = self.parameters["class_weight"]
        if class_weight is None:
            return np.ones(len(y))
        if class_weight == "balanced":
            with np.errstate(divide="ignore"):
                of_class = self.counts.sum() / (np.count_nonzero(self.counts) * self.counts)
        else:
            of_class = np.array([class_weight[label] for label in self.classes])
        return of_class[is_class.argmax(axis=1)]

    def _batches(self, samples, batch_size, rng):
        if self.parameters["replacement"]:
            for _ in range(max(len(samples) // batch_size, 1)):
                yield samples[rng.choice(len(samples), batch_size)]
        else:
            order = samples[rng.permutation(len(samples))]
            yield from (order[i : i + batch_size] for i in range(0, len(samples), batch_size))

    def _loss(self, X, Y, weights, keep=1.0):
        """Return the loss with its penalty, the accuracy, and the gradients of the weights."""
        W1, W2, b1, b2 = self.weights
        alpha = 0 if self.parameters["solver"] == "adamw" else self.parameters["alpha"]
        activate, derivative = ACTIVATIONS[self.parameters["activation"]]
        z1 = X @ W1 + b1
        a1 = activate(z1) * keep
        scores = a1 @ W2 + b2
        if self.softmax:
            log_p = scores - logsumexp(scores, axis=1, keepdims=True)
            losses, p = -np.sum(Y * log_p, axis=1), np.exp(log_p)
            correct = np.sum(Y * scores, axis=1) == scores.max(axis=1)
        else:
            losses, p = np.sum(np.logaddexp(0, scores) - Y * scores, axis=1), expit(scores)
            correct = np.all((scores > 0) == (Y > 0), axis=1)
        share = weights / weights.sum()
        ds = share[:, np.newaxis] * (p - Y)
        dz1 = (ds @ W2.T) * keep * derivative(z1)
        gradients = [X.T @ dz1 + alpha * W1, a1.T @ ds + alpha * W2, dz1.sum(0), ds.sum(0)]
        loss = share @ losses + alpha / 2 * (np.sum(W1**2) + np.sum(W2**2))
        return loss, weights @ correct / weights.sum(), gradients

    def scores(self, X):
        """Return the scores of the samples, a column for each output."""
        W1, W2, b1, b2 = self.weights
        activate, _ = ACTIVATIONS[self.parameters["activation"]]
        return activate(X @ W1 + b1) @ W2 + b2
