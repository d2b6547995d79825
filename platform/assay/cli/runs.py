"""Verbs about experiments and runs: init, plan, run, resume, leaderboard, ensemble."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import options

INTERRUPTED = 130


def init(
    data: Annotated[list[str], typer.Argument(metavar="DATA", help="CSV or Parquet: files, folders, globs or URIs.")],
    label: Annotated[str, typer.Option(help="Column to predict.")],
    out: Annotated[Path | None, typer.Option(help="File to write; NAME.yaml after the data when left out.")] = None,
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
    preset: Annotated[str, typer.Option(help="fast, balanced or best.")] = "balanced",
    format_: options.Format = None,
    as_json: options.AsJson = False,
) -> None:
    """Write an experiment file for DATA."""
    from assay.cli import show
    from assay.errors import SpecFault
    from assay.store.files import write_file
    from assay.workflows.propose import initial

    name, text = initial(data, label, format_, preset)
    target = out or Path(f"{name}.yaml")
    if target.exists() and not force:
        raise SpecFault.at(str(target), "is there already", "choose another name with --out, or add --force")
    if not target.absolute().parent.is_dir():
        raise SpecFault.at(str(target), "lies in a folder that does not exist", f"mkdir -p {target.parent}")
    write_file(target.absolute(), text.encode())
    if as_json:
        show.print_json({"file": str(target), "experiment": name})
    else:
        typer.echo(text)
        typer.echo(f"wrote {target}; next: assay run {target}", err=True)


def plan(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Experiment file.")],
    preset: options.Preset = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what a run of FILE would do; starts nothing."""
    from assay.cli import show
    from assay.spec.rendering import to_yaml
    from assay.workflows.checking import read_experiment
    from assay.workflows.propose import planned

    found = planned(read_experiment(file, preset))
    if as_json:
        show.print_json(found)
    else:
        typer.echo(to_yaml(found), nl=False)


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Experiment file.")],
    trials: Annotated[int | None, typer.Option(min=1, help="Instead of search.trials.")] = None,
    time_budget_s: Annotated[float | None, typer.Option(min=0.1, help="Instead of search.time_budget_s.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of seed.")] = None,
    preset: options.Preset = None,
    address: options.Address = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Run the experiment FILE: search, combine, test, pack, register."""
    from assay.workflows.checking import read_experiment
    from assay.workflows.run import start

    experiment = read_experiment(file, preset)
    search = {
        name: value for name, value in (("trials", trials), ("time_budget_s", time_budget_s)) if value is not None
    }
    changed: dict[str, Any] = {"search": experiment.search.model_copy(update=search)}
    changed |= {} if seed is None else {"seed": seed}
    changed |= {} if address is None else {"compute": experiment.compute.model_copy(update={"address": address})}
    experiment = experiment.model_copy(update=changed)
    _tell(lambda session: start(experiment, session), storage, as_json)


def resume(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run, or the beginning of one; the latest when left out.")
    ] = "latest",
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Take up a run that was interrupted; what it finished is not done again."""
    from assay.workflows.run import resume as take_up

    _tell(lambda session: take_up(run, session), storage, as_json)


def _tell(work: Any, storage: Path | None, as_json: bool) -> None:
    from assay.cli import show
    from assay.progress import Progress
    from assay.store.runs import Storage
    from assay.workflows.run import Session

    with show.stdout_is_for_data(), Progress() as progress:
        try:
            result = work(Session(Storage(storage), progress))
        except KeyboardInterrupt:
            kept = f"; what is finished is kept: assay resume {progress.run}" if progress.run else ""
            typer.echo(f"interrupted{kept}", err=True)
            raise typer.Exit(INTERRUPTED) from None
    if as_json:
        show.print_json(result)
        return
    _print(result, storage)


def _print(result: dict[str, Any], storage: Path | None) -> None:
    """Print a result, and what comes next with the storage that was named."""
    from assay.cli import show
    from assay.workflows.settle import words

    where = "" if storage is None else f" --storage {shlex.quote(str(storage))}"
    show.leaderboard(result)
    if result["test"]:
        typer.echo()
        show.test_scores(result["test"], result["test_rows"])
    model = result["model"]
    for line in words(result, result["metric"]):
        typer.echo(line)
    typer.echo()
    ended = f"model {model}" if model else f"not registered; next: assay resume {result['run']}{where}"
    typer.echo(f"{ended}: {result['winner']}, {result['wall_s']:.0f} s")
    if model:
        typer.echo(f"next: assay serve {model.split('/')[0]}{where}", err=True)


def leaderboard(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run, or the beginning of one; the latest when left out.")
    ] = "latest",
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Show the leaderboard of a finished run."""
    from assay.cli import show
    from assay.errors import SpecFault
    from assay.store.runs import Storage

    found = Storage(storage).open_run(run)
    if not found.exists("result.json"):
        raise SpecFault.at(f"run '{found.id}'", "is not finished", f"assay resume {found.id}")
    result = found.read_json("result.json")
    if as_json:
        show.print_json(result)
    else:
        _print(result, storage)


def ensemble(
    try_: Annotated[
        Path, typer.Option("--try", help="YAML list of ensembles, as under `ensembles` in an experiment file.")
    ],
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run, or the beginning of one; the latest when left out.")
    ] = "latest",
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Score ensembles on the out-of-fold predictions of RUN; fits no member again and does not start Ray."""
    from assay.cli import show
    from assay.store.runs import Storage
    from assay.workflows.ensembling import try_ensembles

    with show.stdout_is_for_data():
        found = try_ensembles(Storage(storage).open_run(run), try_)
    if as_json:
        show.print_json(found)
    else:
        show.leaderboard(found)
    for name, reason in found["failed"].items():
        typer.echo(f"{name} failed: {reason}", err=True)
