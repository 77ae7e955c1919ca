"""What the two evolutionary oracles share: chance, a population, and who of it is fitter."""

import math
import random

from keras_tuner import Oracle
from keras_tuner.engine import trial as trials

from keras_cnns.search import mutation, pareto
from keras_cnns.search.space import Dimension

CORNERS = 2  # of a first population
TRIES = 20  # children that were tried before, after which one is drawn at random


class Population(Oracle):
    """An Oracle that breeds the next trial out of completed ones.

    Args:
        objective: keras-tuner's, the first objective.
        objectives: all of them, each a `keras_tuner.Objective` or an `objectives.Objective`.
        dimensions: {name: `space.Dimension`}; default, those of the hyperparameters, with an
            order where all choices are numbers.
        population_size: how many are drawn at random first, and then bred from.
        options: of `keras_tuner.Oracle`.
    """

    def __init__(self, objective, *, objectives=None, dimensions=None, population_size, **options):
        super().__init__(objective, **options)
        self.all_objectives = objectives or [self.objective]
        self.population_size = population_size
        self._dimensions = dimensions

    @property
    def dimensions(self):
        """{name: Dimension} of what may change."""
        if self._dimensions is None:
            return {hp.name: _dimension(hp) for hp in self.get_space().space}
        return self._dimensions

    def chance(self, trial_id):
        """Randomness that is the same whenever this trial is proposed."""
        return random.Random(f"{self.seed} {trial_id}")

    def completed(self):
        """Ids of the trials that were trained, in the order of their ends."""
        done = trials.TrialStatus.COMPLETED
        return [i for i in dict.fromkeys(self.end_order) if self.trials[i].status == done]

    def point(self, trial_id):
        """What a completed trial reached, as a point of `pareto`."""
        metrics, found = self.trials[trial_id].metrics, []
        for objective in self.all_objectives:
            value = metrics.get_best_value(objective.name)
            found.append(-value if objective.direction == "max" else value)
        return tuple(found)

    def fitness(self, ids):
        """{id: place}, 0 the fittest: by value, or by front and loneliness with more objectives."""
        order = pareto.ranked([self.point(i) for i in ids])
        return {ids[index]: place for place, index in enumerate(order)}

    def values(self, trial_id):
        """The choices of a trial."""
        values = self.trials[trial_id].hyperparameters.values
        return {name: values[name] for name in self.dimensions}

    def populate_space(self, trial_id):
        """Random trials first, then children."""
        if len(self.start_order) < self.population_size or not self.completed():
            return self._running(self.initial(len(self.start_order)))
        chance = self.chance(trial_id)
        for _ in range(TRIES):
            values = self.child(chance)
            if not self._duplicate(values):
                return self._running(values)
        return self._running(self._random_values())

    def initial(self, number):
        """The values of the number-th trial of the first population: random ones.

        With several objectives the first two are corners of the space, the narrowest and the
        widest network: the ends of a front of widths, which chance hardly ever finds.
        """
        if number < CORNERS and len(self.all_objectives) > 1:
            end = -1 if number else 0
            values = {
                name: d.values[end if d.ordered else 0] if d.values else (d.low * d.high) ** 0.5
                for name, d in self.dimensions.items()
            }
            if not self._duplicate(values):
                return values
        return self._random_values()

    def child(self, chance):
        """The values of a child of the population."""
        raise NotImplementedError

    def mutated(self, values, chance):
        """The values after one random step."""
        return mutation.step(values, mutation.draw_step(chance, self.dimensions, values))

    def _running(self, values):
        status = trials.TrialStatus.STOPPED if values is None else trials.TrialStatus.RUNNING
        return {"status": status, "values": values}


def _dimension(hp):
    values = tuple(getattr(hp, "values", ()))
    if getattr(hp, "sampling", None) == "log" and isinstance(hp.default, float):
        return Dimension(hp.name, low=hp.min_value, high=hp.max_value)
    return Dimension(hp.name, values, all(_is_number(value) for value in values))


def _is_number(value):
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False
