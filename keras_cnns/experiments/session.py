"""An experiment's folder: what is asked, which trainings that takes, and what each came to."""

import json
from functools import cached_property
from pathlib import Path
from shlex import quote

import yaml

from export.trained import settings_in
from keras_cnns.experiments import table
from keras_cnns.training import recipes
from keras_cnns.training.history import Rows
from pipelines import files
from pipelines.check.names import find_folder
from pipelines.errors import DamagedFile, UserError
from pipelines.settings import flat, plain, resolve
from pipelines.sources.recorded import KNOBS, anywhere, take_up

CONFIG = "experiment.yaml"  # its presence makes a folder an experiment
RESULTS, PICTURE, SUMMARY, ENVIRONMENT = "results.csv", "experiment.png", "summary.json", "env.json"
OWNED = (CONFIG, "runs", "answers", RESULTS, PICTURE, SUMMARY, ENVIRONMENT, ".*")


class Session:
    """An experiment that was begun.

    Args:
        out: its folder.
        config: what experiment.yaml holds.

    Raises:
        UserError: there is no such experiment, or a setting is wrong.
    """

    def __init__(self, out, config):
        self.out, self.config = Path(out), config
        self.experiment = table.find(config["experiment"])
        self.training = recipes.of_config(config["training"])
        self.seeds = range(self.training.seed, self.training.seed + config["seeds"])

    @classmethod
    def open(cls, out, name=None, *, changes=None, named=None, seeds=None):
        """Take up an experiment; nothing but the number of seeds may differ, and only grow.

        Args:
            out: its folder.
            name: of the experiment, where the user says it again.
            changes: {setting: text} of the user.
            named: the same of data, data_dir, recipe, full and the knobs of the images.
            seeds: how many there are to be, or None.

        Raises:
            UserError: there is none, or something differs.
            DamagedFile: its experiment.yaml is none.
        """
        find_folder(out)
        path = Path(out) / CONFIG
        if not path.is_file():
            raise UserError(f"{out} holds no experiment that could be taken up: no {CONFIG}")
        config = settings_in(path)
        try:
            session = cls(out, config)
        except (AttributeError, KeyError, TypeError) as error:
            raise DamagedFile(f"{path} is damaged: {error}") from None
        asked = {"experiment": name} | (named or {})
        asked = {key: value for key, value in asked.items() if value is not None}
        before = flat(plain(session.training))
        now = flat(plain(resolve(session.training, changes or {})))
        session._refuse(before | {key: config.get(key) for key in asked}, now | asked)
        if seeds is not None and seeds != config["seeds"]:
            if seeds < config["seeds"]:
                begun = f"{config['seeds']} seed{'s' if config['seeds'] > 1 else ''}"
                raise UserError(f"{out} was begun with {begun}, and {seeds} is less")
            session = cls(out, config | {"seeds": seeds})
            session.write()
        return session

    def _refuse(self, before, after):
        before, after = anywhere(before), anywhere(after)
        for name, value in after.items():
            if value != before[name]:
                raise UserError(
                    f"this experiment was begun with {name}={before[name]}, not {value}; leave it "
                    "out or name another --out (what may grow is --seeds)"
                )

    def claim(self):
        """Refuse to write over another experiment or over other files."""
        files.claim(self.out, marker=CONFIG, owned=OWNED)
        if (self.out / CONFIG).exists():
            raise UserError(
                f"{self.out} holds an experiment already; to go on with it: {self.resume}"
            )

    def write(self):
        """Write experiment.yaml."""
        self.out.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True)
        files.write_text(self.out / CONFIG, text)

    @property
    def resume(self):
        """The command that takes it up."""
        return f"python -m keras_cnns experiment --resume --out {quote(str(self.out))}"

    @cached_property
    def source(self):
        """The images.

        Raises:
            UserError: they are not those that it began with.
        """
        return take_up(self.config, self.out)

    def network(self, arm):
        """The network of an arm at this size."""
        return arm.full if self.config["full"] and arm.full else arm.network

    def settings(self, arm, seed):
        """The `recipes.Training` of one run."""
        return resolve(self.training, dict(arm.changes) | {"seed": seed})

    def pairs(self):
        """(arm, seed) of every run, in order: what is there after a stop compares all arms."""
        return [(arm, seed) for seed in self.seeds for arm in self.experiment.arms]

    def run(self, arm, seed):
        """The folder of a run."""
        return self.out / "runs" / f"{arm.name}-seed{seed}"

    # What came out

    def result(self, arm, seed):
        """What a run came to, or None while it did not end."""
        try:
            return json.loads(self._answers(arm, seed).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise DamagedFile(f"{self._answers(arm, seed)} is damaged: {error}") from None

    def put(self, arm, seed, result):
        """Keep what a run came to; `right` is text, a 0 or 1 for each test image."""
        path = self._answers(arm, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(path, result)
        self.write_rows()

    def write_rows(self):
        """Write results.csv: a row for each run that came to its end."""
        Rows(self.out / RESULTS).write(self.rows())

    def _answers(self, arm, seed):
        return self.out / "answers" / f"{arm.name}-seed{seed}.json"

    def rows(self):
        """Rows of results.csv, a run each."""
        found = [self.result(arm, seed) for arm, seed in self.pairs()]
        return [{k: v for k, v in row.items() if k != "right"} for row in found if row]

    def of(self, arm):
        """The results of an arm, in the order of the seeds."""
        return [found for seed in self.seeds if (found := self.result(arm, seed))]


def begin(out, name, *, full, changes, named, recipe, seeds):
    """A new Session; nothing is written yet.

    Args:
        out: its folder.
        name: a key of `table.EXPERIMENTS`.
        full: at the paper's size.
        changes: {setting: text} of the user, over those of the size.
        named: data, data_dir and the knobs of the images, None where not given.
        recipe: in place of the size's, or None.
        seeds: the same.

    Raises:
        UserError: something is wrong or missing.
    """
    experiment = table.find(name)
    size = experiment.full if full else experiment.small
    data = named["data"] or size.data
    if data is None:
        raise UserError(f"--full of {name} is for {size.wants}")
    if seeds is not None and seeds < 1:
        raise UserError(f"--seeds is at least 1, not {seeds}")
    base = resolve(recipes.find(recipe or size.recipe), size.changes)
    config = {"experiment": name, "full": full, "seeds": seeds or size.seeds}
    config |= anywhere({"data": data, "data_dir": named["data_dir"]})
    config |= {key: named[key] for key in KNOBS}
    config |= {"recipe": recipe or size.recipe}
    return Session(out, config | {"training": anywhere(plain(resolve(base, changes)))})
