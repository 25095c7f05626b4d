"""The state that a call begins with: drawn, continued from an earlier call, or resumed.

A new state has initial weights; W1 and b1 follow the columns with ``init="auto"``. At the start of
a stream, the state is first brought to the scales of all samples so far.
"""

from dataclasses import replace

import numpy as np
from scipy.sparse import issparse

from sk_twolayer.network import initialize, n_parameters, unpack
from sk_twolayer.optimizers import LAZY_SOLVERS, OPTIMIZERS
from sk_twolayer.planning.warm_start import continue_training, resume_fit, resumes, set_betas
from sk_twolayer.sparse import PendingUpdates, chunk_features, keep_columns
from sk_twolayer.training.state import TrainingState


def add_state(plan, estimator, fitted, class_counts, rules, rng, start):
    """Draw the state, continue from an earlier one, or resume an interrupted fit."""
    X, solver, validates = plan.data.X, plan.solver, plan.validation is not None
    betas = [float(estimator.beta_1), float(estimator.beta_2)]
    shape = X.shape[1], estimator.hidden_size, plan.targets.n_outputs
    # Updates on sparse samples touch few rows of W1, and may stay pending for the others.
    lazy = solver in LAZY_SOLVERS and issparse(X)
    plan.keeps_pending = lazy and plan.one_pass
    plan.resumed = bool(fitted) and not plan.one_pass and resumes(fitted, shape, solver)
    if plan.resumed:
        plan.state = resume_fit(fitted, plan.data, class_counts, validates, lazy)
    elif fitted:
        # The scales of all rows are brought up to date when the start of a stream is over.
        if plan.keeps_pending and not (start and start.is_over(rules.summary)):
            alpha = plan.network_settings["alpha"]
            plan.features = chunk_features(fitted, solver, betas, alpha, X)
        plan.state = continue_training(
            fitted,
            shape,
            solver,
            (estimator.beta_2, estimator.epsilon),
            plan.training_dtype,
            lazy,
            plan.features,
        )
        if start and start.scales is not None:
            start.rescale(plan.state, rules.summary, plan.features)
        if plan.features is not None:
            columns = keep_columns(X, plan.features, np.empty(X.shape[1], np.int32))
            plan.data = replace(plan.data, X=columns)
    else:
        plan.state = draw_state(plan, estimator, shape, rules, rng)
        if start and estimator.init == "auto":
            start.scales, start.unseen = rules.summary.scales, rules.summary.scale_of_unseen
    set_betas(plan.state, betas)
    if lazy and plan.state.pending is None:
        plan.state.pending = PendingUpdates(shape[0])


def draw_state(plan, estimator, shape, rules, rng):
    """Return a state with new initial weights."""
    if follows := estimator.init == "auto":
        # Before the parameters and moments are allocated, to bound peak memory.
        scales, features = rules.summary.column_scales(), rules.summary.totals.features
        means = rules.summary.totals.means().astype(plan.training_dtype)
    parameters = np.zeros(n_parameters(*shape), plan.training_dtype)
    state = TrainingState(shape, parameters, estimator.solver)
    if state.solver != "lbfgs":
        state.moments = OPTIMIZERS[state.solver].start_moments(
            parameters, estimator.beta_2, estimator.epsilon
        )
    W1, W2, b1, b2 = unpack(parameters, *shape)
    init = rules.init(estimator.activation) if follows else estimator.init
    initialize(W1, W2, b1, b2, init, rng)
    if follows:
        W1 /= scales[:, np.newaxis]
        if state.solver == "lbfgs":
            limit_penalty(W1, plan.network_settings["alpha"])
        b1 -= means @ (W1 if len(features) == len(W1) else W1[features])
    return state


def limit_penalty(W1, alpha):
    """Shrink W1 until its penalty is at most a half, the squared error of a constant.

    Columns of small scale get large weights, whose penalty is most of the loss. L-BFGS would spend
    its iterations on it: from 1e5 times the squared norm of the optimum, 200 are too few.
    """
    penalty = alpha / 2 * float(np.vdot(W1, W1))
    if penalty > 0.5:
        W1 *= np.sqrt(0.5 / penalty)


def set_learning_rate(state, estimator, rules, batch_size, start):
    """Set the learning rate, unless training continues with the same `learning_rate`.

    At the start of a stream it follows from all samples so far.
    """
    solver, asked = estimator.solver, estimator.learning_rate
    if asked == "auto" and rules.one_pass and solver in ("adam", "adamw"):
        asked = "auto, for a stream"  # it differs from the rate of a plan
    if state.asked_rate == asked and solver != "lbfgs" and not start:
        return  # a rate that has decayed continues so
    state.asked_rate = asked
    if isinstance(asked, str) or solver == "lbfgs":
        state.initial_rate, state.first_layer = rules.learning_rates(batch_size)
    else:
        state.initial_rate, state.first_layer = float(asked), 1.0
    state.base_rate = state.initial_rate
