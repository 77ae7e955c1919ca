"""Aging evolution: the oldest die, not the worst.

Real, Aggarwal, Huang and Le 2018, Regularized Evolution for Image Classifier Architecture Search,
arXiv:1802.01548 (algorithm 1; P = 100, S = 25 were best of five in section 3).
"""

from keras_cnns.search.oracles.population import Population


class AgingEvolutionOracle(Population):
    """P random trials; then each is a mutation of the fittest of S drawn from the last P.

    The population is a queue in the order in which trials ended, failed ones left out; when one
    enters, the oldest leaves, so that nothing stays for having been lucky once. With several
    objectives, fitness is the place in the crowded order of the population (`pareto.ranked`),
    which is that of the paper where there is one.

    Args:
        population_size: P.
        sample_size: S, drawn with replacement.
        options: of `Population`.
    """

    def __init__(self, objective, *, population_size=100, sample_size=25, **options):
        super().__init__(objective, population_size=population_size, **options)
        self.sample_size = sample_size

    def population(self):
        """The last P that ended, oldest first."""
        return self.completed()[-self.population_size :]

    def draw_sample(self, chance, population):
        """S of the population, with replacement."""
        return [chance.choice(population) for _ in range(self.sample_size)]

    def fittest(self, sample, population):
        """The fittest of a sample."""
        places = self.fitness(population)
        return min(sample, key=places.get)

    def child(self, chance):
        """A mutation of the fittest of a sample."""
        population = self.population()
        parent = self.fittest(self.draw_sample(chance, population), population)
        return self.mutated(self.values(parent), chance)
