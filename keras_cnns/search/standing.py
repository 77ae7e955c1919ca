"""How far a search is, in words: trials done, the best so far, the time left."""

from keras_cnns.search import front, objectives
from keras_cnns.search.results import DONE, FAILED, HALTED, REFUSED, SEARCHED, UNIFORM, refusals
from keras_cnns.training.progress import clock


class Standing:
    """Tells of each new result once.

    Args:
        session: a `session.Session`.
        say: called with a line of text.
    """

    def __init__(self, session, say=print):
        self.session, self.say = session, say
        self.seen = {result["id"] for result in session.results.all()}

    def _counted(self):
        trained = self.session.results.of(DONE, HALTED, FAILED)
        return [r for r in trained if r["kind"] == SEARCHED]

    def is_complete(self):
        """Whether every trial and the baseline have their results."""
        session = self.session
        baseline = [session.uniform(multiplier)[0] for multiplier in session.baseline]
        beside = all(session.results.get(name) is not None for name in baseline)
        return beside and len(self._counted()) >= session.search.trials

    def tick(self):
        """Tell of what is new."""
        for result in self.session.results.all():
            if result["id"] not in self.seen:
                self.seen.add(result["id"])
                self.say(self.line(result))

    def line(self, result):
        """One line on a result, with how far the search is."""
        session = self.session
        if result["status"] == REFUSED:
            return f"{result['id']}  refused: {result['reason']}"
        if result["kind"] == UNIFORM:
            return f"{result['id']}  {numbers(session, result)}"
        done, asked = len(self._counted()), session.search.trials
        text = f"{result['id']}  {done}/{asked}  "
        if result["status"] == FAILED:
            return text + f"failed: {result['reason']}"
        text += numbers(session, result)
        if result["status"] == HALTED:
            text += f"  stopped early: {result['reason']}"
        best = front.chosen(session, front.members(session))
        if best is not None:
            text += f"  best {best['id']}"
        if asked > done:
            mean = sum(r["seconds"] for r in self._counted()) / done
            text += f"  left {clock(mean * (asked - done) / session.search.workers)}"
        return text


def numbers(session, result):
    """The objectives of a result, as text."""
    if result["status"] not in (DONE, HALTED):
        return result["status"]
    return "  ".join(f"{o.name} {shown(o.name, result[o.name])}" for o in session.objectives)


def shown(name, value):
    """A number as a person reads it."""
    if name in objectives.ACCURACIES:
        return f"{100 * value:.2f}%"
    if name == "latency":
        return f"x{value:.3f}"
    return f"{value:,}"


def short_of(session, facts):
    """Why fewer trials came to an end than were asked for; empty where none is missing."""
    from keras_cnns.search.oracles.guard import gives_up

    asked = session.search.trials
    if facts["trials"] >= asked:
        return ""
    ended = [r for r in session.results.of(DONE, HALTED, FAILED) if r["kind"] == SEARCHED]
    why = gives_up(facts["refused"], [r["status"] == FAILED for r in ended], asked)
    return why or f"the {session.search.oracle} oracle had no candidate left that is new"


def summary(session, best, members):
    """What `--json` prints, and summary.json holds."""
    results = session.results.all()
    counts = dict.fromkeys((DONE, HALTED, FAILED, REFUSED), 0)
    for result in results:
        if result["kind"] == SEARCHED:
            counts[result["status"]] += 1
    spent = [r for r in results if "training_seconds" in r]
    training = sum(r["training_seconds"] for r in spent)
    facts = {
        "trials": counts["done"] + counts[HALTED] + counts[FAILED],
        "completed": counts[DONE],
        "stopped_early": counts[HALTED],
        "failed": counts[FAILED],
        "refused": counts[REFUSED],
        "refused_by": refusals(results),
        "front": [r["id"] for r in members],
        "best": best
        and {"id": best["id"], "model": best["model"], "widths": best["widths"]}
        | {o.name: best[o.name] for o in session.objectives},
        "uniform": [
            {"id": r["id"]} | {o.name: r[o.name] for o in session.objectives}
            for r in session.results.of(DONE, kind=UNIFORM)
        ],
        "training_seconds": round(training, 1),
        # Building, converting, measuring and the files of a trial, as a share of its training.
        "overhead": round(sum(r["seconds"] for r in spent) / training - 1, 4) if training else None,
    }
    return facts | {"ended_early": short_of(session, facts)}
