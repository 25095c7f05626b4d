"""Measure the cost of serving a model: predictions, size of the pickle, time of the import.

Both contenders are fitted on the digits, in float32, with 100 hidden units and otherwise default
settings. `predict` is timed on one thread, for one sample and for many. The contenders take turns,
and the times are medians over repeats. The import is timed in fresh processes, after the import of
scikit-learn's own network. Last come the calls that serve a table of eight numeric columns and two
categories, in processor time: a prediction for one sample, and an update of a stream.
"""

import argparse
import os
import pickle
import subprocess
import sys
import time
import warnings
from functools import partial

import numpy as np
import pandas as pd
from onnxruntime import InferenceSession, SessionOptions
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

import sk_twolayer.onnx  # noqa: F401 - it registers the network with skl2onnx
from sk_twolayer import TwoLayerClassifier
from sk_twolayer.preprocessing import tabular_pipeline

HIDDEN_SIZE = 100


def main(repeats):
    warnings.simplefilter("ignore")
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    many = np.resize(X, (10_000, X.shape[1]))
    models = [model(HIDDEN_SIZE, random_state=0) for model in (TwoLayerClassifier, MLPClassifier)]
    ours, peer = (model.fit(X, y) for model in models)
    print(f"{'':34} {'ours':>10} {'MLPClassifier':>14} {'ratio':>6}")
    with threadpool_limits(1):
        one = compare("predict one sample, microseconds", ours, peer, X[:1], 300, repeats, 1e6)
        compare("predict 10,000 samples, ms", ours, peer, many, 10, repeats, 1e3)

    parameters = sum(array.nbytes for array in ours.coefs_ + ours.intercepts_)
    sizes = [len(pickle.dumps(model)) for model in (ours, peer)]
    print(f"{'pickle, bytes':34} {sizes[0]:10d} {sizes[1]:14d} {sizes[0] / sizes[1]:6.2f}")
    print(
        f"    of which {parameters} are parameters, and {sizes[0] - parameters} are the history of "
        f"{ours.n_updates_} updates and the rest"
    )
    milliseconds, imports_matplotlib = import_time(repeats)
    print(f"{'import beyond scikit-learn, ms':34} {milliseconds:10.1f}")

    def verdict(met):
        return "met" if met else "NOT met"

    print("\ntargets")
    print(f"one sample: {one:.2f} of MLPClassifier's time, target 0.5: {verdict(one <= 0.5)}")
    beyond = sizes[0] - parameters
    print(f"pickle: {beyond} bytes beyond the parameters, target 4096: {verdict(beyond <= 4096)}")
    print(f"import: {milliseconds:.1f} ms, target 20: {verdict(milliseconds <= 20)}")
    print(f"matplotlib imported: {imports_matplotlib}: {verdict(not imports_matplotlib)}")

    print("\nserving a table of ten columns, ms of processor time")
    with threadpool_limits(1):
        for what, milliseconds in serve_a_table(30 * repeats).items():
            print(f"{what:46} {milliseconds:6.2f}")


def compare(what, ours, peer, X, calls, repeats, unit):
    """Time `predict` of both models in turn; print the medians and return their ratio."""
    times = [[], []]
    for _ in range(repeats):
        for model, of_model in zip((ours, peer), times, strict=True):
            start = time.perf_counter()
            for _ in range(calls):
                model.predict(X)
            of_model.append(unit * (time.perf_counter() - start) / calls)
    medians = np.median(times, axis=1)
    ratio = medians[0] / medians[1]
    print(f"{what:34} {medians[0]:10.1f} {medians[1]:14.1f} {ratio:6.2f}")
    return ratio


def serve_a_table(calls):
    """Return the median processor time in ms of each call that serves a table."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(1000, 8))).add_prefix("number_")
    X["colour"], X["size"] = rng.choice(["red", "blue"], 1000), rng.choice(["S", "M", "L"], 1000)
    numbers = X.iloc[:, :8].to_numpy()
    y = (numbers[:, 0] * numbers[:, 1] > 0).astype(int)
    network = TwoLayerClassifier(random_state=0).fit(numbers, y)
    stream = TwoLayerClassifier(random_state=0).partial_fit(numbers, y, classes=[0, 1])
    pipeline = tabular_pipeline(TwoLayerClassifier(random_state=0)).fit(X, y)
    graph = to_onnx(pipeline, X[:1], options={TwoLayerClassifier: {"zipmap": False}})
    options = SessionOptions()
    options.intra_op_num_threads = 1
    session = InferenceSession(graph.SerializeToString(), options)
    one = {
        name: X[[name]][:1].to_numpy(float if name.startswith("number") else object) for name in X
    }
    timed = {
        "predict_proba, one sample, an array": lambda: network.predict_proba(numbers[:1]),
        "predict_proba, one sample, tabular_pipeline": lambda: pipeline.predict_proba(X[:1]),
        "the same pipeline as an ONNX graph": lambda: session.run(None, one),
        "partial_fit, 1 sample": lambda: stream.partial_fit(numbers[:1], y[:1]),
        "partial_fit, 100 samples": lambda: stream.partial_fit(numbers[:100], y[:100]),
    }
    times = {what: [] for what in timed}
    for _ in range(calls):
        for what, call in timed.items():
            start = time.process_time()
            call()
            times[what].append(1000 * (time.process_time() - start))
    return {what: np.median(of_call) for what, of_call in times.items()}


def import_time(repeats):
    """Return the median time of the import in ms, and True if it imports matplotlib."""
    script = (
        "import sys, time, sklearn.neural_network\n"
        "start = time.perf_counter(); import sk_twolayer\n"
        "print(1000 * (time.perf_counter() - start), 'matplotlib' in sys.modules)"
    )
    # The first process writes the bytecode, which all others read.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    run = partial(subprocess.run, env=environment, capture_output=True, text=True, check=True)
    processes = [run([sys.executable, "-c", script]) for _ in range(repeats + 1)]
    words = [done.stdout.split() for done in processes[1:]]
    return np.median([float(milliseconds) for milliseconds, _ in words]), words[0][1] == "True"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    main(parser.parse_args().repeats)
