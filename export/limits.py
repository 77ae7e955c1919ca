"""What a bundle is made with and must keep to; light, so that `--help` answers at once."""

from dataclasses import dataclass

from pipelines.settings import knob


@dataclass(frozen=True)
class Limits:
    """Each field is a flag of `bundle`, `choose` and `verify`."""

    max_drop: float = knob(0.5, "accuracy that a file may lose, in percentage points", low=0)
    min_agreement: float = knob(0.0, "share of images with Keras' top-1", low=0, high=1)
    images: int = knob(1000, "held-out images to run", low=1)
    reference_images: int = knob(
        100, "of these, at most how many also on the reference kernels", low=1
    )
    allow_float: str = knob("", "operations an integer file may keep in float, comma between")


@dataclass(frozen=True)
class Options:
    """Each field is a flag of `bundle` and `choose`."""

    author: str = knob("", "who made the model, written into the files")
    license: str = knob("", "under what terms it may be used, such as Apache-2.0")
    version: str = knob("1", "which version of the model this is")
    calibration_images: int | None = knob(
        None,
        "training images to calibrate integer files with (default: 200, or one a class of more)",
        low=1,
    )
