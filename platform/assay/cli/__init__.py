"""The command line: data to stdout, talk to stderr, and an exit code that says whose turn it is.

Nothing heavy is imported before a verb runs, so that `assay --help` answers at once.
"""

from __future__ import annotations

import sys

import typer

from assay.cli import explaining, house, models, retraining, runs, tokens, watching

app = typer.Typer(
    help="From data to a served, watched model with one experiment file, on Ray.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verb in (
    runs.init,
    runs.plan,
    runs.run,
    runs.resume,
    runs.leaderboard,
    runs.ensemble,
    models.predict,
    models.evaluate,
    explaining.explain,
    models.list_models,
    models.promote,
    models.rollback,
    models.serve,
    watching.drift,
    retraining.retrain,
    house.parts,
    house.render,
    house.doctor,
):
    name = "models" if verb is models.list_models else verb.__name__
    app.command(name)(verb)
app.add_typer(tokens.app, name="token")


def main() -> None:
    """Run a command; errors for people become text and exit codes, the traceback of a bug of ours goes to a file."""
    from assay.errors import AssayError
    from assay.notices import listening

    try:
        with listening(lambda text: print(f"note: {text}", file=sys.stderr)):  # noqa: T201
            app()
    except AssayError as error:
        print(f"{type(error).__name__}\n{error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # noqa: BLE001
        print(_reported(error), file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _reported(error: Exception) -> str:
    """Write the traceback of an error of ours to a file, and return one line about it."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="assay-", suffix=".log", delete=False, encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(error)))
    last = (str(error).strip().splitlines() or [""])[-1][:300]
    return f"assay failed: {type(error).__name__}: {last}\nThis is a fault of assay. Report it with {file.name}"
