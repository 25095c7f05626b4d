"""Random calls of both estimators, on valid and invalid input of every kind.

The script searches for bugs that nobody has thought of a test for. Each case makes an estimator
with random hyper-parameters and calls `fit` or `partial_fit` one to three times. Between the calls
some estimators are pickled. During a call, Ctrl-C may strike, memory may run out, or other threads
may read the estimator. Each call must do one of two things:

- raise a clear ValueError or TypeError, and leave the estimator unchanged, bit for bit; or
- succeed: all numbers are finite, shapes and history are consistent, probabilities sum to 1,
  predicted labels are in `classes_`, predictions have the shape of y, a pickle predicts the same,
  and sparse samples train the same network as dense samples.

Moreover, no call emits a RuntimeWarning or writes to an argument, no call accepts bad input, and no
call refuses good input.

The script prints how often each kind of input was drawn, with what outcome, and what broke. Each
failure comes with the number of a case, which `--only` runs again. The exit status is 1 if anything
broke.

    python benchmarks/fuzz --fits 10000 --seed 1
"""

import argparse
import copy
import pickle
import re
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict

import numpy as np
import scipy.sparse as sp
from checks import (
    BrokenError,
    check_dtype,
    check_error,
    check_fitted,
    check_predictions,
    check_same_predictions,
    check_scale,
    check_sparse_equals_dense,
    check_unchanged,
    freeze_argument,
    require,
)
from class_targets import ClassifierCase
from continuous_targets import RegressorCase
from estimator_state import frozen  # `checks` puts tests/shared on the path
from faults import Fault
from readers import READERS, Readers, check_not_disturbed
from sklearn.base import is_regressor
from threadpoolctl import threadpool_limits


def attempt_with_fault(case, model, call, given):
    """Make a call that would succeed, with Ctrl-C or a MemoryError during it; check the result."""
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
        require(fault.struck, "raised the error before the fault")
        check_unchanged(model, before)
        return "fault, unchanged"
    require(error is KeyboardInterrupt, "continued after a MemoryError")
    require(call == "fit", "partial_fit swallowed Ctrl-C")
    resumes = earlier.warm_start and hasattr(earlier, "coefs_")
    if model.learning_rate_schedule == "cosine" or model.warmup_fraction:
        # max_updates would change the learning rates, so compare with the whole fit instead.
        losses = twin.batch_loss_curve_[: len(model.batch_loss_curve_)]
        require(model.batch_loss_curve_ == losses, "Ctrl-C has changed the updates before it")
        return "fault, fitted"
    n_updates = model.n_updates_ - (earlier.n_updates_ if resumes else 0)
    whole = earlier.set_params(max_updates=n_updates).fit(**given)
    for name in [name for name in vars(whole) if name.endswith("_") and name[0] != "_"]:
        equal = frozen(getattr(whole, name)) == frozen(getattr(model, name))
        require(equal, f"{name} after Ctrl-C differs from a fit with max_updates")
    return "fault, fitted"


def attempt_with_readers(case, model, call, given, n_calls=1):
    """Make calls that must succeed while two threads read the estimator."""
    names = sorted(str(name) for name in case.rng.choice(list(READERS), 2))
    case.chosen["threads"] = " and ".join(names)
    alone = copy.deepcopy(model)
    try:
        for _ in range(n_calls):
            getattr(alone, call)(**given)
    except ValueError as error:  # only the first call is known to succeed
        require("diverged" in str(error), f"refused what it took before: {error}")
        return
    try:
        with Readers(model, np.ones((3, case.n_features)), names):
            for _ in range(n_calls):
                getattr(model, call)(**given)
    except BrokenError:
        raise
    except Exception as error:
        raise BrokenError(f"raised while threads read: {type(error).__name__}: {error}") from error
    check_not_disturbed(model, alone)


def attempt(case, model, call, given, dense):
    """Make one call and check it; return its outcome."""
    verdict, before = case.verdict(), frozen(vars(model))
    if verdict == "good" and case.happens(0.1) and isinstance(model.random_state, int):
        return attempt_with_fault(case, model, call, given)
    try:
        if verdict == "good" and hasattr(model, "loss_") and case.happens(0.03):
            attempt_with_readers(case, model, call, given)
        else:
            getattr(model, call)(**given)
    except BrokenError:
        raise
    except Exception as error:
        check_error(error)
        check_unchanged(model, before)
        require(verdict != "good", f"refused good input: {type(error).__name__}: {error}")
        return "refused"
    require(verdict != "bad", "accepted " + describe_bad(case))
    case.unsure = case.unsure or verdict == "odd"
    streams = verdict == "good" and call == "partial_fit" and sp.issparse(given["X"])
    if streams and case.is_wide and case.happens(0.3):
        return "fitted"  # the checks would read coefs_, which applies the pending updates
    check_fitted(model, case.n_features)
    if verdict == "good" and call == "fit" and not model.warm_start:
        check_dtype(model, given["X"])
        check_scale(model)
    probe = np.ones((2, case.n_features))
    probe[1] = case.rng.choice([0, 1, -1e30, 1e300])
    for X, samples in ((dense, "the training samples"), (probe, f"samples of {probe[1, 0]:.0e}")):
        try:
            check_predictions(model, X, samples)
            if X is dense and verdict == "good" and not case.unsure:
                check_same_predictions(model, given["X"], dense)
        except ValueError as error:  # X is too large for the dtype of this model
            check_error(error)
            extreme = X is not None and np.abs(np.asarray(X, float)).max() >= 1e30
            # Predictions of a regressor have no bound: odd input may have made the weights large.
            extreme = extreme or (is_regressor(model) and case.unsure)
            require(extreme and "overflow" in str(error), f"refused to predict {samples}: {error}")
    comparable = verdict == "good" and call == "fit" and model.solver != "lbfgs"
    if comparable and dense is not None and case.happens(0.2):
        check_sparse_equals_dense(model, given, dense)
        case.chosen["compared"] = "dense and sparse"
    if streams and case.is_wide and not case.unsure:
        attempt_with_readers(case, model, call, given, n_calls=10)
    return "fitted"


def describe_bad(case):
    """List what is bad about the input of a case."""
    bad = [what for what, verdict in case.verdicts.items() if verdict == "bad"]
    return ", ".join(f"bad {what} ({case.chosen.get(what, case.chosen['solver'])})" for what in bad)


def run_case(seed, number, solvers, folder, tally, verbose=False):
    """Run one case; return what broke, or None."""
    make_case = RegressorCase if number % 3 == 2 else ClassifierCase
    case = make_case(np.random.default_rng([seed, number]), solvers, folder)
    model = case.estimator(**case.parameters)
    handler = signal.getsignal(signal.SIGINT)
    for step in range(int(case.rng.integers(1, 4))):
        only_fits = model.solver == "lbfgs" or model.early_stopping
        call = "partial_fit" if case.happens(0.05 if only_fits else 0.5) else "fit"
        given, dense = case.arguments(call)
        arguments = {name: freeze_argument(value) for name, value in given.items()}
        if verbose:
            print(f"{step}: {model}\n   {case.chosen}\n   {case.verdicts}")
        broke = None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                outcome = attempt(case, model, call, given, dense)
            except BrokenError as error:
                broke = str(error)
            except Exception as error:  # raised by a check, for example by a prediction
                frame = traceback.extract_tb(error.__traceback__)[-1]
                broke = f"{type(error).__name__} in {frame.name}: {error}"
                if verbose:
                    traceback.print_exc()
        leaked = [f"{w.category.__name__}: {w.message}" for w in caught if is_leak(w)]
        if not broke and leaked:
            broke = f"emitted {leaked[0]}"
        if not broke and signal.getsignal(signal.SIGINT) is not handler:
            broke = "the handler of Ctrl-C was not restored"
        if not broke and arguments != {
            name: freeze_argument(value) for name, value in given.items()
        }:
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
    """Return True if a warning is not meant for users of the package."""
    return issubclass(warning.category, (RuntimeWarning, DeprecationWarning, FutureWarning))


def report(tally, broken, seconds, n_calls):
    """Print the outcomes of all kinds of input, and what broke."""
    outcomes = sorted({name for of in tally.values() for c in of.values() for name in c})
    print(f"{'input':>34}", *(f"{name:>16}" for name in outcomes))
    for what, choices in tally.items():
        for choice in sorted(choices):
            counts = choices[choice]
            print(f"{what + ': ' + choice:>34}", *(f"{counts[name]:16}" for name in outcomes))
    n_broken = sum(len(cases) for cases in broken.values())
    print(f"\n{n_calls} calls in {seconds:.0f} s; {n_broken} cases broke")
    for cases in sorted(broken.values(), key=len, reverse=True):
        number, what = cases[0]
        print(f"  {len(cases):5} times, first in --only {number}: {what}")


def main(fits, seed, solvers, only=None):
    """Run cases until they have made so many calls; return True if anything broke."""
    tally, broken = defaultdict(lambda: defaultdict(Counter)), defaultdict(list)
    start, number = time.perf_counter(), 0
    warnings.simplefilter("ignore")  # drawing the input casts NaN and overflows, on purpose
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore Ctrl-C
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        if only is not None:
            broke = run_case(seed, only, solvers, folder, tally, verbose=True)
            print(broke or "nothing broke")
            return bool(broke)
        while sum(sum(c.values()) for c in tally["call"].values()) < fits:
            broke = run_case(seed, number, solvers, folder, tally)
            if broke:  # messages that differ only in their numbers count as one failure
                broken[re.sub(r"[-+]?\d[\d.e+-]*", "#", broke)[:150]].append((number, broke))
            number += 1
    n_calls = sum(sum(counts.values()) for counts in tally["call"].values())
    report(tally, broken, time.perf_counter() - start, n_calls)
    return bool(broken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        "benchmarks/fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--fits", type=int, default=1000, help="calls of fit or partial_fit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--solvers", nargs="+", default=["sgd", "adam", "adamw", "lbfgs"])
    parser.add_argument("--only", type=int, help="run only the case with this number, verbosely")
    arguments = parser.parse_args()
    sys.exit(main(arguments.fits, arguments.seed, arguments.solvers, arguments.only))
