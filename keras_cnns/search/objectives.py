"""What a candidate is judged by, and what refuses one before it is trained."""

from dataclasses import dataclass

from pipelines.errors import UserError, find


@dataclass(frozen=True)
class Objective:
    """A number of a result."""

    name: str  # its key in a result
    direction: str  # "max" or "min"
    label: str  # what it is a number of
    # What tells about it before training: the key of a number that a network alone has.
    stands_for: str | None = None

    def cost(self, value):
        """The number to be made small."""
        return -value if self.direction == "max" else value


OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective("tflite_accuracy", "max", "of the uint8 .tflite, on validation images"),
        Objective("accuracy", "max", "of the Keras model, on validation images"),
        Objective(
            "latency", "min", "of the .tflite, as a share of the reference network's", "macs"
        ),
        Objective("bytes", "min", "size of the uint8 .tflite", "params"),
        Objective("macs", "min", "multiply-adds", "macs"),
        Objective("params", "min", "parameters", "params"),
        Objective("arena", "min", "peak bytes of the tensors while it runs", "macs"),
    )
}
ACCURACIES = ("tflite_accuracy", "accuracy")


def parse(text):
    """The Objectives named in a text with commas.

    Raises:
        UserError: an unknown name, one named twice, or none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        find(name, OBJECTIVES, "no objective is named")
        if names.count(name) > 1:
            raise UserError(f"the objective {name} is named twice")
    if not names:
        raise UserError(f"name at least one objective; there are: {', '.join(OBJECTIVES)}")
    return [OBJECTIVES[name] for name in names]


def accuracy_of(objectives):
    """The name of the accuracy that a search judges by; "accuracy" where it judges by none."""
    return next((o.name for o in objectives if o.name in ACCURACIES), "accuracy")


def point(result, objectives):
    """A result as a point of `pareto`: a tuple of numbers to be made small."""
    return tuple(objective.cost(result[objective.name]) for objective in objectives)


LIMITS = {"max_macs": "macs", "max_bytes": "bytes", "max_latency_ratio": "latency"}


def broken(limits, numbers):
    """Which hard limit a candidate breaks, as (limit, sentence); None where it keeps all.

    Args:
        limits: an object with the fields of LIMITS, each a number or None.
        numbers: {"macs", "bytes", "latency": what was measured}; those missing are not judged.
    """
    for name, key in LIMITS.items():
        most = getattr(limits, name)
        if most is not None and key in numbers and numbers[key] > most:
            flag = name.replace("_", "-")
            return name, f"{key} {numbers[key]:,.6g} is over --{flag} {most:,.6g}"
    return None
