"""Who proposes the next candidate. Adding one: a function and a line of MAKERS."""

import keras_tuner

from keras_cnns.search.oracles.bayesian import BayesianOracle
from keras_cnns.search.oracles.evolution import AgingEvolutionOracle
from keras_cnns.search.oracles.grid import GridOracle
from keras_cnns.search.oracles.guard import Guarded
from keras_cnns.search.oracles.nsga import NonDominatedOracle
from keras_cnns.search.oracles.uniform import UniformOracle

__all__ = ["MAKERS", "AgingEvolutionOracle", "Guarded", "NonDominatedOracle", "make"]


def guarded(oracle):
    """The class of an oracle with the guards of a search."""
    return type(oracle.__name__, (Guarded, oracle), {"__doc__": oracle.__doc__})


def _evolving(oracle, session, **more):
    search = session.search
    return guarded(oracle)(
        session.objective, objectives=session.objectives, dimensions=session.space.dimensions,
        population_size=search.population_size, **more, **session.options,
    )  # fmt: skip


def evolution(session):
    """Aging evolution."""
    return _evolving(AgingEvolutionOracle, session, sample_size=session.search.sample_size)


def non_dominated(session):
    """NSGA-II."""
    return _evolving(NonDominatedOracle, session)


def random(session):
    """keras-tuner's random search."""
    return guarded(keras_tuner.oracles.RandomSearchOracle)(session.objective, **session.options)


def bayesian(session):
    """keras-tuner's Gaussian process, with no more random trials at first than a third."""
    first = min(3 * len(session.space.dimensions), max(3, session.search.trials // 3))
    return guarded(BayesianOracle)(session.objective, num_initial_points=first, **session.options)


def hyperband(session):
    """keras-tuner's Hyperband over the epochs, bracket after bracket until the budget is spent."""
    return guarded(keras_tuner.oracles.HyperbandOracle)(
        session.objective, max_epochs=session.training.epochs, hyperband_iterations=None,
        **session.options,
    )  # fmt: skip


def grid(session):
    """keras-tuner's grid search."""
    return guarded(GridOracle)(session.objective, **session.options)


def uniform(session):
    """The same multiplier for all stages."""
    return guarded(UniformOracle)(session.objective, space=session.space, **session.options)


MAKERS = {
    "pareto": non_dominated, "evolution": evolution, "uniform": uniform, "random": random,
    "bayesian": bayesian, "hyperband": hyperband, "grid": grid,
}  # fmt: skip


def make(session, tuners=None):
    """The oracle of a `session.Session`, ready to propose."""
    oracle = MAKERS[session.search.oracle](session)
    rungs = 0 if session.search.oracle == "hyperband" else session.search.rungs
    return oracle.plan(session.objectives, session.search.trials, rungs=rungs, tuners=tuners)
