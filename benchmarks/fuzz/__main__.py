"""Random fits with random parameters, on input of every kind, good and bad, and what breaks.

Each case makes an estimator and calls it one to three times, in a few of them pickled in between,
interrupted, out of memory or predicting in another thread. What must hold of a call:

- it is refused with a clear ValueError or TypeError, and has changed nothing, bit for bit; or
- it succeeds: all numbers finite, shapes and history consistent, probabilities that sum to 1,
  labels out of `classes_`, predicted numbers of the shape of y, a pickle that predicts the same,
  sparse rows that train as dense ones;
- either way it has warned of no RuntimeWarning and written to no argument; and bad input is not
  accepted, nor good input refused.

Prints what was tried with what outcome, and what broke, each with the number of a case that
`--only` runs again. Exits with 1 if anything broke.
"""

import argparse
import copy
import pickle
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from class_targets import LabelCase
from continuous_targets import NumberCase
from sklearn.base import clone, is_regressor
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from faults import PACKAGE, Fault, frozen

# What NumPy and Python say of themselves: no error that a user can act on.
RAW = re.compile(
    "broadcast|operand|shape mismatch|array element|has no attribute|not supported between|ufunc|"
    "out of bounds|out of range|zero-size|[Cc]annot cast|not aligned|dimension mismatch|"
    "need at least one|unhashable|must have same|object is not|could not convert|truth value"
)


class BrokenError(Exception):
    """Something did not hold."""


def demand(held, what):
    if not held:
        raise BrokenError(what)


def content(value):
    """Return what an argument holds, for a comparison."""
    if sp.issparse(value):
        return frozen(value.toarray())
    return frozen(np.asarray(value) if hasattr(value, "to_numpy") else value)


def check_error(error):
    """Demand a ValueError or TypeError in words of ours or of scikit-learn."""
    known = type(error) in (ValueError, TypeError)
    known = known or type(error).__module__.startswith(("sklearn", "sk_twolayer"))
    what = f"{type(error).__name__}: {error}"
    demand(known and isinstance(error, (ValueError, TypeError)), f"raised {what}")
    demand(len(str(error)) > 15, f"an error that says nothing: {what}")
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    ours = [i for i, file in enumerate(files) if file.startswith(PACKAGE)]
    deepest = files[ours[-1] + 1 :] if ours else files
    validated = any("sklearn" in file or "pandas" in file for file in deepest)
    demand(validated or not RAW.search(str(error)), f"a raw error: {what}")


def check_unchanged(model, before):
    after = frozen(vars(model))
    changed = [name for name in before | after if before.get(name) != after.get(name)]
    demand(not changed, f"a call that raised has changed {changed}")


def check_fitted(model, n_features):
    """Demand finite numbers, and consistent shapes and history."""
    arrays = [*model.coefs_, *model.intercepts_]
    demand(all(np.isfinite(array).all() for array in arrays), "a parameter is not finite")
    demand(len({array.dtype for array in arrays}) == 1, "parameters of several dtypes")
    n_outputs = len(model.y_mean_ if is_regressor(model) else model.classes_)
    if model.out_activation_ == "logistic" and n_outputs == 2 and arrays[1].shape[1] == 1:
        n_outputs = 1
    hidden = model.hidden_size
    shapes = [(n_features, hidden), (hidden, n_outputs), (hidden,), (n_outputs,)]
    demand([array.shape for array in arrays] == shapes, "a parameter of another shape")
    demand(model.n_features_in_ == n_features, "n_features_in_ is another number")
    curves = "loss_curve_", "batch_loss_curve_", "train_scores_", "validation_scores_"
    for name in (*curves, "validation_loss_curve_", "loss_", "best_loss_"):
        values = getattr(model, name)
        finite = values is None or np.isfinite(values).all()
        # A metric of huge numbers may be -inf.
        demand(finite or (model.scoring and "score" in name), f"{name} is not finite")
    least = -np.inf if is_regressor(model) else 0  # of R2, or accuracy
    scores = [*model.train_scores_, *((not model.scoring and model.validation_scores_) or [])]
    demand(all(least <= score <= 1 + 1e-6 for score in scores), "a score is out of its range")
    demand(len(model.loss_curve_) == len(model.train_scores_), "curves of different lengths")
    demand(len(model.loss_curve_) >= model.n_iter_ >= 1, "n_iter_ exceeds the curve")
    demand(model.loss_ == model.loss_curve_[-1], "loss_ is not the last of the curve")
    demand(len(model.batch_loss_curve_) <= model.n_updates_, "more batch losses than updates")


def outputs(model, X):
    """Return all that a model says of rows: numbers, or probabilities."""
    return model.predict(X) if is_regressor(model) else model.predict_proba(X)


def check_predictions(model, X, what):
    p = outputs(model, X)
    again = outputs(pickle.loads(pickle.dumps(model)), X)
    demand(np.array_equal(again, p), "a pickle predicts otherwise")
    if is_regressor(model):
        n_targets = len(model.y_mean_)
        shape = (X.shape[0],) if n_targets == 1 else (X.shape[0], n_targets)
        demand(p.shape == shape, "predicted numbers of another shape")
        demand(np.isfinite(p).all(), f"a prediction of {what} is not finite")
        return
    demand(p.shape == (X.shape[0], len(model.classes_)), "probabilities of another shape")
    sound = np.isfinite(p).all() and (p >= 0).all() and (p <= 1).all()
    demand(sound, f"{p.dtype} probabilities of {what} are not in [0, 1]")
    predicted = model.predict(X)
    if predicted.ndim == 1:
        demand(np.abs(p.sum(axis=1) - 1).max() < 1e-5, "probabilities do not sum to 1")
        demand(np.isin(predicted, model.classes_).all(), "predicts what is no class")


def check_sparse_equals_dense(model, given, dense):
    """Train the same on dense and on sparse rows, with what "auto" may choose differently given."""
    given = {name: value for name, value in given.items() if name != "X"}
    models = []
    for X in (dense.astype("f8"), sp.csr_array(dense.astype("f8"))):
        model = clone(model).set_params(learning_rate=0.01, batch_size=7, random_state=0)
        models.append(model.fit(X, **given))
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(*(getattr(model, name) for model in models), strict=True):
            demand(np.allclose(a, b, rtol=1e-6, atol=1e-9), f"{name} of dense and sparse differ")
    curves = [model.batch_loss_curve_ for model in models]
    demand(np.allclose(*curves, rtol=1e-6), "losses of dense and sparse differ")


class PredictingThread(threading.Thread):
    """Predicts as long as the block runs, and tells of what it saw when joined."""

    def __init__(self, model, X):
        super().__init__()
        self.model, self.X, self.over, self.problem = model, X, threading.Event(), None

    def run(self):
        while not self.over.is_set():
            try:
                p = outputs(self.model, self.X)
            except Exception as error:
                self.problem = f"{type(error).__name__}: {error}"
            else:
                self.problem = self.problem or (None if np.isfinite(p).all() else "not finite")

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.over.set()
        self.join()
        demand(not self.problem, f"a thread that predicted: {self.problem}")


def strike(case, model, call, given, dense):
    """Let Ctrl-C or lack of memory strike a call that would succeed."""
    error = MemoryError if case.happens(0.4) else KeyboardInterrupt
    case.chosen["fault"] = error.__name__
    twin, earlier = copy.deepcopy(model), copy.deepcopy(model)
    with Fault(twin, error) as rehearsal:
        getattr(twin, call)(**given)
    before = frozen(vars(model))
    try:
        with Fault(model, error, int(case.rng.integers(1, rehearsal.n_moments + 1))) as fault:
            getattr(model, call)(**given)
    except error:
        demand(fault.struck, "raised the error before it struck")
        check_unchanged(model, before)
        return "struck, unchanged"
    demand(error is KeyboardInterrupt, "went on after a MemoryError")
    demand(call == "fit", "partial_fit swallowed Ctrl-C")
    continues = earlier.warm_start and hasattr(earlier, "coefs_")
    if model.learning_rate_schedule == "cosine" or model.warmup_fraction:
        # The length of the plan decides the rate: these are the first updates of the whole.
        losses = twin.batch_loss_curve_[: len(model.batch_loss_curve_)]
        demand(model.batch_loss_curve_ == losses, "Ctrl-C has changed the updates before it")
        return "struck, fitted"
    n_updates = model.n_updates_ - (earlier.n_updates_ if continues else 0)
    whole = earlier.set_params(max_updates=n_updates).fit(**given)
    for name in [name for name in vars(whole) if name.endswith("_") and name[0] != "_"]:
        equal = frozen(getattr(whole, name)) == frozen(getattr(model, name))
        demand(equal, f"{name} after Ctrl-C is not that of max_updates")
    return "struck, fitted"


def attempt(case, model, call, given, dense):
    """Make one call and check it; return what became of it."""
    verdict, before = case.verdict(), frozen(vars(model))
    if verdict == "good" and case.happens(0.1) and isinstance(model.random_state, int):
        return strike(case, model, call, given, dense)
    try:
        if verdict == "good" and hasattr(model, "coefs_") and case.happens(0.03):
            case.chosen["threads"] = "predicting"
            with PredictingThread(model, np.ones((3, case.n_features))):
                getattr(model, call)(**given)
        else:
            getattr(model, call)(**given)
    except BrokenError:
        raise
    except Exception as error:
        check_error(error)
        check_unchanged(model, before)
        demand(verdict != "good", f"refused good input: {type(error).__name__}: {error}")
        return "refused"
    demand(verdict != "bad", "accepted " + describe_bad(case))
    case.unsure = case.unsure or verdict == "odd"
    check_fitted(model, case.n_features)
    probe = np.ones((2, case.n_features))
    probe[1] = case.rng.choice([0, 1, -1e30, 1e300])
    for rows, name in ((dense, "its own rows"), (probe, f"rows of {probe[1, 0]:.0e}")):
        try:
            check_predictions(model, rows, name)
        except ValueError as error:  # too large for the dtype that this model computes in
            check_error(error)
            extreme = rows is not None and np.abs(np.asarray(rows, float)).max() >= 1e30
            # Unlike probabilities, numbers have no bound, once an odd call moved the network.
            extreme = extreme or (is_regressor(model) and case.unsure)
            demand(extreme and "overflow" in str(error), f"refused to predict {name}: {error}")
    comparable = verdict == "good" and call == "fit" and model.solver != "lbfgs"
    if comparable and dense is not None and case.happens(0.2):
        check_sparse_equals_dense(model, given, dense)
        case.chosen["compared"] = "dense and sparse"
    return "fitted"


def describe_bad(case):
    bad = [what for what, verdict in case.verdicts.items() if verdict == "bad"]
    return ", ".join(f"bad {what} ({case.chosen.get(what, case.chosen['solver'])})" for what in bad)


def run_case(seed, number, solvers, folder, tally, verbose=False):
    """Run one case; return what broke, or None."""
    make_case = NumberCase if number % 3 == 2 else LabelCase
    case = make_case(np.random.default_rng([seed, number]), solvers, folder)
    model = case.estimator(**case.parameters)
    handler = signal.getsignal(signal.SIGINT)
    for step in range(int(case.rng.integers(1, 4))):
        only_fits = model.solver == "lbfgs" or model.early_stopping
        call = "partial_fit" if case.happens(0.05 if only_fits else 0.5) else "fit"
        given, dense = case.arguments(call)
        arguments = {name: content(value) for name, value in given.items()}
        if verbose:
            print(f"{step}: {model}\n   {case.chosen}\n   {case.verdicts}")
        broke = None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                outcome = attempt(case, model, call, given, dense)
            except BrokenError as what:
                broke = str(what)
            except Exception as error:  # of a check: a prediction that fails, for example
                frame = traceback.extract_tb(error.__traceback__)[-1]
                broke = f"{type(error).__name__} in {frame.name}: {error}"
                if verbose:
                    traceback.print_exc()
        leaked = [f"{w.category.__name__}: {w.message}" for w in caught if is_leak(w)]
        if not broke and leaked:
            broke = f"leaked {leaked[0]}"
        if not broke and signal.getsignal(signal.SIGINT) is not handler:
            broke = "the handler of Ctrl-C is not put back"
        if not broke and arguments != {name: content(value) for name, value in given.items()}:
            broke = "an argument was written to"
        for what, choice in case.chosen.items():
            tally[what][str(choice)]["broke" if broke else outcome] += 1
        if broke:
            signal.signal(signal.SIGINT, handler)
            return f"{call}: {broke}"
        if case.happens(0.15):
            model = pickle.loads(pickle.dumps(model))
    return None


def is_leak(warning):
    return issubclass(warning.category, (RuntimeWarning, DeprecationWarning, FutureWarning))


def report(tally, broken, seconds, n_calls):
    outcomes = sorted({name for of in tally.values() for c in of.values() for name in c})
    print(f"{'what was tried':>34}", *(f"{name:>18}" for name in outcomes))
    for what, choices in tally.items():
        for choice in sorted(choices):
            counts = choices[choice]
            print(f"{what + ': ' + choice:>34}", *(f"{counts[name]:18}" for name in outcomes))
    n_broken = sum(len(cases) for cases in broken.values())
    print(f"\n{n_calls} calls in {seconds:.0f} s; {n_broken} cases broke")
    for cases in sorted(broken.values(), key=len, reverse=True):
        number, what = cases[0]
        print(f"  {len(cases):5} times, first in --only {number}: {what}")


def main(fits, seed, solvers, only=None):
    tally, broken = defaultdict(lambda: defaultdict(Counter)), defaultdict(list)
    start, number = time.perf_counter(), 0
    warnings.simplefilter("ignore")  # of casts that make the input
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        if only is not None:
            broke = run_case(seed, only, solvers, folder, tally, verbose=True)
            print(broke or "nothing broke")
            return bool(broke)
        while sum(sum(c.values()) for c in tally["call"].values()) < fits:
            broke = run_case(seed, number, solvers, folder, tally)
            if broke:  # alike but for the numbers in it
                broken[re.sub(r"[-+]?\d[\d.e+-]*", "#", broke)[:150]].append((number, broke))
            number += 1
    n_calls = sum(sum(counts.values()) for counts in tally["call"].values())
    report(tally, broken, time.perf_counter() - start, n_calls)
    return bool(broken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser("benchmarks/fuzz", description=__doc__)
    parser.add_argument("--fits", type=int, default=1000, help="calls of fit or partial_fit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--solvers", nargs="+", default=["sgd", "adam", "adamw", "lbfgs"])
    parser.add_argument("--only", type=int, help="the number of one case to run again")
    arguments = parser.parse_args()
    sys.exit(main(arguments.fits, arguments.seed, arguments.solvers, arguments.only))
