"""keras-tuner's Bayesian optimization, on one thread."""

import warnings

from keras_tuner.oracles import BayesianOptimizationOracle
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits


class BayesianOracle(BayesianOptimizationOracle):
    """The same proposals, from matrices so small that many threads only wait for each other."""

    def populate_space(self, trial_id):
        """As keras-tuner proposes."""
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of few points: it says nothing
            return super().populate_space(trial_id)
