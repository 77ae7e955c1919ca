"""YAML that people write: what is wrong with it is told with its line, and nothing is lost."""

from pathlib import Path

from pipelines.errors import UserError


def parse(file):
    """What a YAML file holds.

    Raises:
        UserError: it is no YAML, says one thing twice, or holds itself.
    """
    import yaml

    try:
        return yaml.load(Path(file).read_text(encoding="utf-8"), _loader())
    except UnicodeDecodeError:
        raise UserError(f"{file} is no UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(f"{file}, line {mark.line + 1}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"{file} is no YAML: {first}") from None


def read(file):
    """What a YAML file holds; None where `parse` would refuse it."""
    try:
        return parse(file)
    except UserError:
        return None


def _loader():
    """PyYAML's safe loader, which by itself takes the last of two values, and loops."""
    import yaml

    class Loader(yaml.SafeLoader):
        def mapping(self, node):
            known = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in known:
                    problem = f"{key.value} is given twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                known.add(key.value)
            return self.construct_mapping(node, deep=True)

        def sequence(self, node):
            return self.construct_sequence(node, deep=True)

    Loader.add_constructor("tag:yaml.org,2002:map", Loader.mapping)
    Loader.add_constructor("tag:yaml.org,2002:seq", Loader.sequence)
    return Loader
