"""A search's folder: what it was asked, and where things lie in it."""

from functools import cached_property
from pathlib import Path
from shlex import quote

import yaml

from export.trained import settings_in
from keras_cnns import registry
from keras_cnns.search import objectives
from keras_cnns.search.results import Results
from keras_cnns.search.settings import FREE, Search
from keras_cnns.search.space import Space, multipliers
from keras_cnns.training import recipes
from pipelines import files
from pipelines.errors import DamagedFile, UserError
from pipelines.settings import flat, plain, resolve
from pipelines.sources.recorded import KNOBS, anywhere, take_up

CONFIG = "search.yaml"  # its presence makes a folder a search
OWNED = (
    *(CONFIG, "env.json", "oracle", "trials", "logs", "workers", "tensorboard", "retrained"),
    *("reference.tflite", "front.csv", "trials.csv", "best.yaml", "front.png", "index.html"),
    *("retrained.csv", "summary.json", ".*"),
)


class Session:
    """A search that was begun, in its folder.

    Args:
        out: the folder.
        config: what search.yaml holds.

    Raises:
        UserError: a setting is wrong.
    """

    def __init__(self, out, config):
        self.out, self.config = Path(out), config
        self.model = config["model"]
        self.training = recipes.of_config(config["training"])
        self.search = resolve(Search(), config["search"])
        self.tune = config.get("tune") or {}
        self.objectives = objectives.parse(self.search.objectives)
        self.space = Space(self.model, self.training, self.search, self.tune)
        self.baseline = multipliers(self.search.baseline)
        self.results = Results(out)
        if self.search.reference is not None:
            registry.find(self.search.reference)
        if self.search.oracle == "uniform" and self.search.cells:
            raise UserError("the uniform oracle searches widths alone; leave out --cells")

    @classmethod
    def open(cls, out, changes=None, *, training=None, named=None, tune=None):
        """Take up the search in a folder.

        Args:
            changes: {knob: text} that the user gave; but for FREE each must be what it was.
            training: the same of the recipe's settings.
            named: the same of model, data, data_dir and recipe; None where not given.
            tune: {setting: text} of what is searched besides.

        Raises:
            UserError: there is none, or it was begun with other settings.
            DamagedFile: its search.yaml is none.
        """
        path = Path(out) / CONFIG
        if not path.is_file():
            raise UserError(f"{out} holds no search that could be taken up: no {CONFIG}")
        config = settings_in(path)
        try:
            session = cls(out, config)
        except (AttributeError, KeyError, TypeError) as error:
            raise DamagedFile(f"{path} is damaged: {error}") from None
        search = resolve(session.search, changes or {})
        session._refuse_changes(vars(session.search), vars(search))
        now = plain(resolve(session.training, training or {}))
        session._refuse_changes(flat(plain(session.training)), flat(now))
        given = {k: v for k, v in (named or {}).items() if v is not None}
        session._refuse_changes({k: config.get(k) for k in given}, given)
        for name, values in (tune or {}).items():
            flag = f"--tune {name}"
            session._refuse_changes({flag: session.tune.get(name)}, {flag: values})
        session.search = search
        if search != resolve(Search(), config["search"]):
            session.config = config | {"search": plain(search)}
            session.write()
        return session

    def _refuse_changes(self, before, after):
        before, after = anywhere(before), anywhere(after)
        for name, value in after.items():
            if name not in FREE and value != before[name]:
                raise UserError(
                    f"this search was begun with {name}={before[name]}, not {value}; what may "
                    f"change is {', '.join(FREE)}"
                )

    def claim(self):
        """Refuse to search over another search or over other files."""
        files.claim(self.out, marker=CONFIG, owned=OWNED)
        if (self.out / CONFIG).exists():
            raise UserError(f"{self.out} holds a search already; to go on with it: {self.resume}")

    def write(self):
        """Write search.yaml."""
        self.out.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True)
        files.write_text(self.out / CONFIG, text)

    @property
    def opened(self):
        """What a run of this search must know of its images and its recipe."""
        names = ("data", "data_dir", *KNOBS, "recipe")
        return {name: self.config[name] for name in names if name in self.config}

    @property
    def resume(self):
        """The command that takes it up."""
        return f"python -m keras_cnns search --resume --out {quote(str(self.out))}"

    @cached_property
    def source(self):
        """The images.

        Raises:
            UserError: they are not those that the search began with.
        """
        return take_up(self.config, self.out)

    def open_images(self):
        """Open the images before a trial is spent on others than the search began with.

        Raises:
            UserError: of `source`.
        """
        return self.source

    # What keras-tuner wants

    @property
    def objective(self):
        """keras-tuner's objective: the first of ours."""
        import keras_tuner

        first = self.objectives[0]
        return keras_tuner.Objective(first.name, first.direction)

    @property
    def options(self):
        """Arguments of every oracle; keras-tuner takes a seed of 0 for none."""
        space = self.space.hyperparameters()
        return {"hyperparameters": space, "seed": self.training.seed + 1}

    def folder(self, name):
        """A folder of the search, made if it is not there."""
        path = self.out / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def uniform(self, multiplier):
        """The trial of the baseline at a multiplier: its name, and its choices."""
        return f"uniform-{multiplier:g}", self.space.uniform(f"{multiplier:g}")


def begin(out, job, search, tune):
    """A new Session of what `commands.train.wanted` returned; nothing is written yet."""
    names = ("model", "data", "data_dir", *KNOBS, "recipe")
    config = anywhere({name: job[name] for name in names if name in job})
    config |= {"training": plain(job["training"])}
    return Session(out, config | {"search": plain(search), "tune": dict(tune)})
