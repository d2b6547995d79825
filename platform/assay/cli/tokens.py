"""Verbs about tokens of a server: token add, token list, token revoke."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli import options
from assay.vocabulary import Scope

Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is, as it stands in the server's log.")]

app = typer.Typer(help="Make, list and revoke the tokens of a server.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def add(
    name: Name,
    scope: Annotated[
        list[Scope], typer.Option(help="What it lets its bearer do; may be given again. admin includes the others.")
    ],
    expires: Annotated[
        str | None, typer.Option(help="How long it is good: 90m, 12h, 30d, 4w; no end if left out.")
    ] = None,
    storage: options.Storage = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a token and print it, this once; a running server knows it a moment later."""
    from assay.cli import show
    from assay.store.runs import Storage
    from assay.store.tokens import Tokens
    from assay.workflows.windows import lifetime

    secret, token = Tokens(Storage(storage).root).add(name, scope, lifetime(expires) if expires else None)
    if as_json:
        show.print_json({**token.told(), "token": secret})
    else:
        typer.echo(secret)
        typer.echo("keep it: only its hash is stored, and it is shown nowhere else", err=True)


@app.command("list")
def list_tokens(storage: options.Storage = None, as_json: options.AsJson = False) -> None:
    """List the tokens: names, scopes and times, never the tokens themselves."""
    from assay.cli import show
    from assay.store.runs import Storage
    from assay.store.tokens import Tokens

    found = [token.told() for token in Tokens(Storage(storage).root).all()]
    if as_json:
        show.print_json(found)
    elif not found:
        typer.echo("there is no token; make one with `assay token add NAME --scope predict`", err=True)
    else:
        rows = [
            [token["name"], ", ".join(token["scopes"]), token["created"], token["expires"] or "never", token["expired"]]
            for token in found
        ]
        show.print_table(["name", "scopes", "created", "expires", "expired"], rows)


@app.command()
def revoke(name: Name, storage: options.Storage = None, as_json: options.AsJson = False) -> None:
    """Forget a token; a running server refuses it a moment later."""
    from assay.cli import show
    from assay.store.runs import Storage
    from assay.store.tokens import Tokens

    token = Tokens(Storage(storage).root).revoke(name)
    if as_json:
        show.print_json(token.told())
    else:
        typer.echo(f"token '{name}' is revoked")
