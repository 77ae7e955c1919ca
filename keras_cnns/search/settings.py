"""Knobs of a search; light, so that `--help` answers at once."""

from dataclasses import dataclass

from pipelines.settings import knob

ORACLES = ("pareto", "evolution", "random", "bayesian", "hyperband", "grid", "uniform")


@dataclass(frozen=True)
class Search:
    """Each field is a flag of `search`, and a line of search.yaml."""

    trials: int = knob(24, "networks to train; refused ones do not count", low=1, high=2000)
    oracle: str = knob(
        "pareto",
        "who proposes: pareto (non-dominated sorting with crowding), evolution (aging), uniform "
        "(one multiplier for all stages), or keras-tuner's random, bayesian, hyperband, grid",
        choices=ORACLES,
    )
    objectives: str = knob(
        "tflite_accuracy,latency",
        "what counts, commas between: tflite_accuracy, accuracy, latency, bytes, macs, params, "
        "arena; oracles of one objective look at the first",
    )
    multipliers: str = knob(
        "0.25,0.5,0.75,1", "of a stage's channels: choices, or LOW:HIGH:STEP (step 0.125)"
    )
    depths: str | None = knob(
        None, "blocks of a stage, choices or LOW:HIGH; by default the network's own"
    )
    image_sizes: str | None = knob(None, "heights and widths to choose from, commas between")
    flavours: str | None = knob(None, "orders in a residual block to choose from, or `all`")
    cells: bool = knob(False, "search the cells too (NASNet and AmoebaNet)")
    population: int | None = knob(
        None, "of pareto and evolution; by default a third of the trials, at most 100", low=2
    )
    sample: int | None = knob(
        None, "of evolution: among how many the parent is the best; default: population / 4", low=1
    )
    rungs: int = knob(
        3, "stop early: 1 in N goes on at 1/N, 1/N^2, ... of the epochs; 0: all do", low=0
    )
    baseline: str = knob(
        "0.5,1", "uniform multipliers trained beside, to compare with; none: leave out"
    )
    max_bytes: int | None = knob(None, "refuse a larger uint8 .tflite", low=1)
    max_latency_ratio: float | None = knob(
        None, "refuse a slower one, as a share of the reference's latency", low=1e-9
    )
    max_macs: int | None = knob(None, "refuse more multiply-adds", low=1)
    reference: str | None = knob(
        None, "network whose latency counts as 1; default: the searched one as it is"
    )
    rounds: int = knob(
        50, "interleaved runs of candidate and reference that a latency takes", low=3
    )
    val_images: int = knob(1000, "validation images for tflite_accuracy, at most", low=1)
    workers: int = knob(1, "processes that train at the same time", low=1, high=64)
    retrain: int = knob(0, "seeds to train the front again with, on train + val; 0: none", low=0)

    @property
    def population_size(self):
        """P of the oracles: the paper's 100, or a third of a short search."""
        return self.population or max(4, min(100, self.trials // 3))

    @property
    def sample_size(self):
        """S of aging evolution: a quarter of P, as in the paper (25 of 100)."""
        return self.sample or max(2, self.population_size // 4)


FREE = ("trials", "workers", "retrain")  # what a search that is taken up may change
