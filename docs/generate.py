"""Writes the pages that say what the code says: `experiment-file.md` from the schema, `cli.md` from the verbs.

python docs/generate.py          or `make docs`; a test fails while a page says something else
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from assay.cli import app
from assay.spec.layering import HOME, preset_names
from assay.spec.schema import Experiment
from assay.vocabulary import Shelf

HERE = Path(__file__).resolve().parent
Json = Mapping[str, Any]
MADE = "<!-- Made from the code by docs/generate.py; to change it, change the code or the text in there. -->"
BOUNDS = {
    "minimum": "at least {}", "exclusiveMinimum": "above {}", "maximum": "at most {}", "exclusiveMaximum": "below {}",
    "minItems": "at least {} entry", "pattern": "matches `{}`",
}  # fmt: skip
WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "nothing"}


def pages() -> dict[str, str]:
    """Return the content of each page by its name."""
    return {"experiment-file.md": experiment_page(), "cli.md": cli_page()}


# The experiment file


def experiment_page() -> str:
    """Return the page about the experiment file."""
    schema = Experiment.model_json_schema(by_alias=True)
    shapes: Json = schema["$defs"]
    parts = [MADE, EXPERIMENT_HEAD, "## Top level\n", table(schema, schema), AFTER["Top level"], presets()]
    for title, shape in SECTIONS:
        parts += [f"## {title}\n", shapes[shape]["description"] + "\n", table(shapes[shape], schema)]
        if title in AFTER:
            parts.append(AFTER[title])
    return "\n".join([*parts, EXPERIMENT_TAIL])


def presets() -> str:
    """Return the section about presets, with what each says."""
    blocks = [
        f"`{name}`:\n\n```yaml\n{(HOME / f'{name}.yaml').read_text(encoding='utf-8')}```\n" for name in preset_names()
    ]
    return "\n".join([PRESETS, *blocks])


def table(shape: Json, schema: Json) -> str:
    """Return one row for each key of an object in the schema."""
    lines = ["| Key | Type | Bounds | Default | Meaning |", "|---|---|---|---|---|"]
    for key, form in shape["properties"].items():
        cells = [
            f"`{key}`",
            type_of(form, schema),
            bounds_of(form),
            default_of(key, form, shape),
            meaning_of(form, schema),
        ]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join([*lines, ""])


def type_of(form: Json, schema: Json) -> str:
    """Return the type of a value in words."""
    if "$ref" in form or "allOf" in form:
        name = (form.get("$ref") or form["allOf"][0]["$ref"]).rpartition("/")[2]
        shape = schema["$defs"][name]
        if "enum" in shape:
            return one_of(shape["enum"])
        title = next(title for title, known in SECTIONS if known == name)
        return f"[{'parts' if name == 'PartSpec' else 'keys'}](#{anchor(title)})"
    if "anyOf" in form:
        kinds = [type_of(option, schema) for option in form["anyOf"]]
        return " or ".join(kind for kind in kinds if kind != WORDS["null"])
    if "enum" in form or "const" in form:
        return one_of(form.get("enum", [form.get("const")]))
    if form.get("type") == "array":
        inner = form["items"] if "items" in form else form["prefixItems"][0]
        return f"list of {type_of(inner, schema)}"
    if form.get("type") == "object":
        inner = form.get("additionalProperties")
        return f"{type_of(inner, schema)} by name" if isinstance(inner, dict) and inner else "keys and values"
    return WORDS[form["type"]]


def one_of(values: list[Any]) -> str:
    """Return a choice of words."""
    return ", ".join(f"`{value}`" for value in values)


def bounds_of(form: Json) -> str:
    """Return the bounds of a value in words."""
    found = [
        text.format(option[key])
        for option in (form, *form.get("anyOf", ()))
        for key, text in BOUNDS.items()
        if key in option
    ]
    return ", ".join(found)


def default_of(key: str, form: Json, shape: Json) -> str:
    """Return the default as it stands in YAML."""
    if key in shape.get("required", ()):
        return "**required**"
    value = form.get("default")
    if isinstance(value, dict):  # the defaults of a section stand in its own table
        return ""
    return "none" if value is None else f"`{json.dumps(value)}`"


def meaning_of(form: Json, schema: Json) -> str:
    """Return the description of a key, or of the object it holds."""
    if "description" in form:
        return str(form["description"])
    name = (form.get("$ref") or form["allOf"][0]["$ref"]).rpartition("/")[2]
    return str(schema["$defs"][name]["description"])


def anchor(title: str) -> str:
    """Return the name of a heading in links."""
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


SECTIONS = (
    ("data", "DataSpec"),
    ("forecast", "ForecastSpec"),
    ("columns", "ColumnSpec"),
    ("series", "SeriesSpec"),
    ("split", "SplitSpec"),
    ("search", "SearchSpec"),
    ("final", "FinalSpec"),
    ("compute", "ComputeSpec"),
    ("register", "RegisterSpec"),
    ("retrain", "RetrainSpec"),
    ("Parts", "PartSpec"),
)

EXPERIMENT_HEAD = """
# The experiment file

One YAML file says what to learn from which data. Only `experiment` and `data` are needed. `assay init DATA --label Y`
writes a file from the data, `assay render FILE` prints one with every default filled in, and `assay plan FILE` says
what it would do.

```yaml
experiment: churn
data: {train: customers.csv, label: left}
```

The file is checked whole before anything starts. Every fault is told at once, with its line and column, what was found
and the fix. Paths are taken from the folder in which `assay` is called. In Python, `assay.Experiment(...)` takes the
same names; there `data["train"]` and `data["test"]` may also be pandas or polars DataFrames, Arrow tables or Ray
Datasets.

"Default: none" means that the key may be left out and that its meaning says what happens then.
"""

PRESETS = """## Presets

`preset: NAME` lies under the file: the file's own keys win, keys inside a section are joined, a list is taken whole.
`assay run FILE --preset NAME` takes another one for this run; `assay.Experiment(preset=NAME, …)` does it in Python.
What `assay render FILE` prints, and what a run writes down, has the preset filled in and its name gone, so it says the
same in every later version.
"""

AFTER = {
    "Top level": """\
**Calibration.** The winner's out-of-fold predictions say how far its probabilities can be trusted. `temperature` makes
them more or less sure, by a slope on their logarithms, a floor and a bias for each class; of two classes the order of
rows stays, so `roc_auc` does too. `isotonic` is a rising curve for each class; it makes ties. `auto` takes the simplest
that no other beats by more than one standard error of the log loss on folds that it was not learned on: nothing, then
`temperature`, then `isotonic` where every class has 5,000 rows and the metric does not fall. The leaderboard shows
members and ensembles as they are; the test, the model and the server have the calibrated probabilities.

**Threshold.** With a metric that judges answers (`accuracy`, `balanced_accuracy`, `f1`) `auto` learns out of fold above
which probability the answer is the positive class; with more classes it weighs each by a power of how rare it is. It
stays with the most probable class where that gains no more than one standard error. Probabilities stay as they are.

**Class weights** are off unless asked for: they cost probabilities their truth, which calibration has to bring back,
and rank rows no better. For rare classes a metric such as `f1` with its learned threshold does the work. `{yes: 5}`
weighs one class, the others count 1. Algorithms that cannot learn from weighted rows, such as `k_nearest_neighbours`,
are then left out, or refused where the file names them.
""",
    "columns": """\
`columns` holds one entry for each column of which you know better than inference:

```yaml
columns:
  postcode: {kind: category}
  internal_id: {drop: true}
  price: {kind: numeric, decimal: ","}
```

How words become missing values, levels are compared, and numbers and dates are read: [cells.md](cells.md).
""",
    "split": """\
With `data.test` the test rows are those of the given files, and `test_fraction` is not used. With `data.time` the
default is `by_time`, with `data.group` it is `by_group`; otherwise `stratified` for classes and `shuffled` for
numbers. Membership is a function of the seed and the row, so it is the same on any cluster.
""",
    "search": """\
The number of trials decides the result: with the same file and seed it is the same on any number of CPUs. A
time budget ends the search at a moment, so two machines may end after different trials.
""",
    "Parts": f"""\
`steps`, `algorithms` and `ensembles` are lists of parts. A bare word is a part with its own settings:

```yaml
algorithms:
  - logistic_regression
  - name: lightgbm
    params: {{num_leaves: 63}}
    space: {{learning_rate: {{log_uniform: [0.01, 0.3]}}}}
  - sklearn.svm:SVC
```

A name is one of three things: a file on the shelf (`assay parts algorithms` lists them), `module:Class` of your own,
or the path of a scikit-learn estimator. The shelves:
{", ".join(f"`{shelf.value}`" for shelf in Shelf)}.

`space` says what the search may draw:

| Form | Draws |
|---|---|
| `{{uniform: [low, high]}}` | a number between both |
| `{{log_uniform: [low, high]}}` | a positive number, uniform in its logarithm |
| `{{integer: [low, high]}}` | a whole number, both ends included |
| `{{log_integer: [low, high]}}` | a positive whole number, small ones more often |
| `{{choice: [a, b, c]}}` | one of a few values |
""",
}

EXPERIMENT_TAIL = """## What `assay run FILE --json` prints

One object on stdout; `assay.Experiment(...).run().json` in Python is the same.

| Key | Meaning |
|---|---|
| `run` | id of the run, for `assay leaderboard` and `assay resume` |
| `model` | `NAME/VERSION` in the registry; null when it could not be reached, then `assay resume` tries again |
| `task` | what was predicted: `binary`, `multiclass` or `regression` |
| `metric` | the metric that everything was chosen by |
| `greater_is_better` | whether a larger score is better |
| `winner` | the row of the leaderboard that became the model: the best, or a cheaper one that is as good |
| `leaderboard` | the rows, best first; see below |
| `diversity` | the `members` that ensembles were given, and the `error_correlation` of each pair of them, out of fold |
| `trials` | how many trials counted, and how they ended: `complete`, `stopped`, `failed` |
| `calibration` | `method`, and the winner's log loss out of fold `log_loss_before` and `log_loss_after`, each fold \
by what the others taught; `log_loss_of_best_member` as it is; null for numbers |
| `decision` | `threshold` (of two classes) and `weights` of the classes, with `score_before` and `score_after` of the \
metric out of fold; null where the answer is the most probable class |
| `test` | every metric of the task on the test rows: `score`, `low`, `high` |
| `test_rows` | number of test rows |
| `test_rows_digest` | SHA-256 of the test rows, to see that two runs were judged on the same ones |
| `report` | path of the report; null in this version |
| `storage` | the folder that remembers |
| `wall_s` | seconds it took |

A row of the leaderboard. All scores are out of fold: each training row is judged by a model that never saw it.

| Key | Meaning |
|---|---|
| `name` | name of the row, such as `lightgbm-3` or `greedy` |
| `kind` | `baseline`, `trial` or `ensemble` |
| `score`, `low`, `high` | score and its 95 % bootstrap interval |
| `gap_low`, `gap_high` | 95 % interval of how much worse it is than the first row, paired; null for the first |
| `ties_with_best` | whether that interval begins at 0 or below, so that it is not significantly worse |
| `fit_s` | mean seconds of a fit on one fold; for an ensemble the sum over its members |
| `predict_us_per_row` | microseconds to predict one row |
| `num_rows` | training rows of a fit; fewer than there are where an algorithm caps them |
| `members` | trials that an ensemble joins; of one that fits its own members, the learner of each |
| `note` | what else must be said, such as that rows were sampled |
| `refused` | whether it is an ensemble that is worse, out of fold, than its best member; it cannot become the model |
| `params` | settings of a trial |

The scores are numbers, or null where a metric has none.

`assay ensemble RUN --try FILE --json` prints `run`, `task`, `metric`, `greater_is_better`, `leaderboard` and
`diversity` as above, and `failed`: why an ensemble could not be learned, by its name. FILE is a YAML list of parts as
under `ensembles`, alone or under that key. What the run judged itself gets the same score again.
"""


# The command line


def all_verbs() -> dict[str, Any]:
    """Return what a person may type after `assay`, and the function behind it; a group's verbs are two words."""
    verbs = {str(command.name): command.callback for command in app.registered_commands}
    for group in app.registered_groups:
        for command in group.typer_instance.registered_commands if group.typer_instance else ():
            name = command.name or str(getattr(command.callback, "__name__", ""))
            verbs[f"{group.name} {name}"] = command.callback
    return verbs


def cli_page() -> str:
    """Return the page about the verbs."""
    verbs = all_verbs()
    lines = [
        f"| [`assay {name}`](#assay-{name.replace(' ', '-')}) | {first_line(verb)} |" for name, verb in verbs.items()
    ]
    overview = "\n".join(["| Verb | What it does |", "|---|---|", *lines, ""])
    return "\n".join([MADE, CLI_HEAD, overview, CLI_RULES, *(section(name, verb) for name, verb in verbs.items())])


def section(name: str, verb: Any) -> str:
    """Return what a verb does, takes and can be told."""
    hints = get_type_hints(verb, include_extras=True)
    usage, rows = ["assay", name], []
    for word, parameter in signature(verb).parameters.items():
        kind, info = get_args(hints[word])[:2]
        required = parameter.default is Parameter.empty
        if isinstance(info, ArgumentInfo):
            shown = (info.metavar or word.upper()) + ("…" if get_origin(kind) is list else "")
            usage.append(shown if required else f"[{shown}]")
        else:
            shown = spelled(word, kind, info)
        rows.append(f"| `{shown}` | {default_text(parameter, info)} | {option_text(info)} |")
    usage.append("[options]")
    head = [f"## assay {name}\n", f"    {' '.join(usage)}\n", first_line(verb) + "\n"]
    return "\n".join([*head, "| | Default | Meaning |", "|---|---|---|", *rows, ""])


def spelled(word: str, kind: Any, info: OptionInfo) -> str:
    """Return an option with the kind of value it takes."""
    types, plain = {kind, *get_args(kind)}, word.replace("_", "-")
    # In `Annotated` the first name of `typer.Option("--json")` lands in `default`.
    given = [name for name in (info.default, *(info.param_decls or ())) if str(name).startswith("--")]
    name = given[0] if given else f"--{plain}/--no-{plain}" if bool in types else f"--{plain}"
    if bool in types:
        return str(name)
    return f"{name} {'NUMBER' if types & {int, float} else 'PATH' if Path in types else 'TEXT'}"


def default_text(parameter: Parameter, info: ArgumentInfo | OptionInfo) -> str:
    """Return the default of an argument or option."""
    if parameter.default is Parameter.empty:
        return "**required**"
    if isinstance(info.show_default, str):
        return f"`{info.show_default}`"
    return "" if parameter.default in (None, False) else f"`{parameter.default}`"


def option_text(info: ArgumentInfo | OptionInfo) -> str:
    """Return what it means, and the environment variable that sets it."""
    return (info.help or "") + (f" Environment: `{info.envvar}`." if info.envvar else "")


def first_line(verb: Any) -> str:
    """Return the first line of a verb's docstring."""
    return (verb.__doc__ or "").strip().splitlines()[0]


CLI_HEAD = """
# The command line

`assay VERB --help` says the same as this page.
"""

CLI_RULES = """\
Data goes to stdout, talk to stderr. With `--json` stdout holds one JSON object and nothing else. Progress is one live
line on a terminal and plain lines elsewhere; `NO_COLOR` is honoured. Ctrl-C stops once and cleanly, and prints the
command that goes on from there.

| Exit code | Meaning | Who acts |
|---|---|---|
| 0 | done | |
| 1 | our bug; the traceback is shown | tell us |
| 2 | usage, or the experiment file | its author |
| 3 | the data | its owner |
| 4 | Ray, the network or the disk; trying again may help | the operator |
| 5 | a model artifact was refused: changed, incomplete or not ours | whoever made it |
| 6 | `assay drift`: something drifted | whoever answers for the model |
| 130 | interrupted | |

The folder that remembers (`--storage`, `ASSAY_STORAGE`, by default `.assay` where you are) holds runs, models and the
tracking database. `RAY_ADDRESS` or `--address` joins a running cluster; without it a local Ray starts and stops with
the command.
"""


if __name__ == "__main__":
    for name, content in pages().items():
        (HERE / name).write_text(content, encoding="utf-8")
