"""One multiplier for all stages, which is how the papers scale their networks."""

from keras_tuner import Oracle
from keras_tuner.engine import trial as trials


class UniformOracle(Oracle):
    """Every uniform multiplier of a space, the widest first; all else as the network has it.

    Args:
        space: a `space.Space`.
        options: of `keras_tuner.Oracle`.
    """

    def __init__(self, objective, *, space, **options):
        super().__init__(objective, **options)
        self.space = space

    def populate_space(self, trial_id):
        """The next multiplier that was not tried."""
        for multiplier in reversed(self.space.multipliers):
            values = self.space.uniform(multiplier)
            full = self._filled(values)
            if not self._duplicate(full):
                return {"status": trials.TrialStatus.RUNNING, "values": full}
        return {"status": trials.TrialStatus.STOPPED, "values": None}

    def _filled(self, values):
        """With the first choice for what a uniform network leaves as it is."""
        return {hp.name: values.get(hp.name, hp.default) for hp in self.get_space().space}
