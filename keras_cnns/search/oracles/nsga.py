"""Evolution of a whole front: non-dominated sorting with crowding.

Deb, Pratap, Agarwal and Meyarivan 2002, NSGA-II, doi:10.1109/4235.996017, in its steady state: one
child at a time, as workers ask for it, instead of a generation at once (Durillo, Nebro, Luna and
Alba 2009, On the Effect of the Steady-State Selection Scheme in Multi-Objective Genetic
Algorithms, doi:10.1007/978-3-642-01020-0_18).
"""

from keras_cnns.search import mutation, pareto
from keras_cnns.search.oracles.population import Population

CROSSOVER = 0.9  # how often a child has two parents (section IV)


class NonDominatedOracle(Population):
    """The P best of all trials breed; best is who is on an earlier front, or lonelier there.

    Two tournaments of two choose the parents; uniform crossover mixes them, and one step mutates
    the child.

    Args:
        options: of `Population`.
    """

    def population(self):
        """The P best, best first (environmental selection, section III-C)."""
        ids = self.completed()
        order = pareto.ranked([self.point(i) for i in ids])
        return [ids[i] for i in order[: self.population_size]]

    def draw_parents(self, chance, population):
        """Two winners of tournaments of two; the population is in order, so the lower wins."""
        pairs = [[chance.randrange(len(population)) for _ in range(2)] for _ in range(2)]
        return [population[min(pair)] for pair in pairs]

    def child(self, chance):
        """A mutated mixture of two parents."""
        first, second = map(self.values, self.draw_parents(chance, self.population()))
        values = first
        if chance.random() < CROSSOVER:
            values = mutation.mix(first, second, mutation.draw_mix(chance, list(first)))
        return self.mutated(values, chance)
