"""Verbs about the house: parts, render, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import options


def parts(
    shelf: Annotated[
        str | None, typer.Argument(metavar="SHELF", help="Shelf to list; all of them when left out.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """List the parts that an experiment file may name; with SHELF, their settings too."""
    from assay import catalog
    from assay.cli import show
    from assay.errors import SpecFault, did_you_mean
    from assay.vocabulary import Shelf

    names = [entry.value for entry in Shelf]
    if shelf is not None and shelf not in names:
        raise SpecFault.at(f"shelf '{shelf}'", "is not there", did_you_mean(shelf, names))
    chosen = [Shelf(shelf)] if shelf else list(Shelf)
    found: list[dict[str, Any]] = [
        {"shelf": entry.value, "name": key, "summary": catalog.summary(entry, key)}
        | ({"settings": _settings(catalog.find(entry, key))} if shelf else {})
        for entry in chosen
        for key in catalog.keys(entry)
    ]
    if as_json:
        show.print_json(found)
        return
    show.print_table(["shelf", "name", "what it is"], [[row["shelf"], row["name"], row["summary"]] for row in found])
    settings = [[row["name"], *setting.values()] for row in found for setting in row.get("settings", [])]
    if settings:
        typer.echo()
        show.print_table(["part", "setting", "default", "meaning"], settings)


def _settings(part: Any) -> list[dict[str, str]]:
    return [
        {
            "setting": name,
            "default": repr(info.get_default(call_default_factory=True)),
            "meaning": info.description or "",
        }
        for name, info in part.Params.model_fields.items()
    ]


def render(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Experiment file.")],
    preset: options.Preset = None,
    as_json: options.AsJson = False,
) -> None:
    """Print FILE with its preset and every default filled in."""
    from assay.cli import show
    from assay.spec.rendering import plain, render
    from assay.workflows.checking import read_experiment

    experiment = read_experiment(file, preset)
    if as_json:
        show.print_json(plain(experiment))
    else:
        typer.echo(render(experiment), nl=False)


def doctor(
    clean: Annotated[bool, typer.Option("--clean", help="Remove what crashes left behind.")] = False,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Look over this machine and the storage."""
    from assay.cli import show
    from assay.store.runs import Storage
    from assay.workflows.doctor import examine

    findings = examine(Storage(storage), clean)
    if as_json:
        show.print_json(findings)
    else:
        rows = [["ok" if row["ok"] else "!!", row["check"], row["found"], row["fix"]] for row in findings]
        show.print_table(["", "check", "found", "fix"], rows)
    if not all(row["ok"] for row in findings):
        raise typer.Exit(4)
