"""Limits that no candidate of a search can keep, found by the narrowest of them before the rest."""

from keras_cnns import registry
from keras_cnns.search import measure, objectives
from pipelines.errors import UserError


class Narrowest:
    """The candidate of a search that costs least.

    Args:
        session: a `session.Session`; nothing is written into its folder before `tell_latency`.
    """

    def __init__(self, session):
        self.session, self.content = session, None
        self.bench, self.values = measure.Bench(session), session.space.narrowest()

    def refuse(self):
        """Refuse limits on what does not depend on the machine.

        Raises:
            UserError: one lies below what the narrowest candidate comes to.
        """
        limits = [getattr(self.session.search, name) for name in objectives.LIMITS]
        if self.values is None or not any(limits):
            return
        try:
            model = self._model()
        except registry.BuildError:
            return  # of this one; others may be built
        numbers = measure.of_network(model)
        self._judge(numbers)
        if self.session.search.max_bytes or self.session.search.max_latency_ratio:
            with measure.as_if_trained(model):
                self.content = self.bench.convert(model)
            self._judge(measure.of_file(self.content))

    def _model(self):
        source, candidate = self.session.source, self.session.space.candidate(self.values)
        name, training = candidate.model, candidate.training
        side = training.image_size or registry.find(name).input_shape[0]
        shape = (side, side, source.channels)
        return registry.build_for_pixels(name, len(source.classes), shape, training.widths)

    def _judge(self, numbers):
        if found := objectives.broken(self.session.search, numbers):
            raise UserError(f"even the narrowest candidate breaks a limit: {found[1]}; raise it")

    def tell_latency(self, say):
        """Say where the narrowest candidate is slower than the limit; another time it may not be.

        Args:
            say: called with a line of text.
        """
        if self.content is None or self.session.search.max_latency_ratio is None:
            return
        if found := objectives.broken(self.session.search, self.bench.latency(self.content)):
            say(f"warning: even the narrowest candidate breaks a limit: {found[1]}")
