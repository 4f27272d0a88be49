"""`mlops signer`: the machine's keys, held by an account of their own."""

import pwd
import signal
from pathlib import Path

import click


@click.command()
@click.option(
    "--socket",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    help="Socket to answer at; MLOPS_SIGNER names it.",
)
@click.option(
    "--keys",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with the keys, closed to other accounts; missing ones are made.",
)
@click.option(
    "--allow",
    "accounts",
    multiple=True,
    help="Account that may ask, by name or number. Repeat for several; default: none but this one.",
)
@click.option(
    "--after",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Anchor file of a ledger that these keys have sealed so far; needed once, to take it over.",
)
def signer(path: Path, folder: Path, accounts: tuple[str, ...], after: Path | None) -> None:
    """Hold the machine's keys and sign what the ledger's rules allow, until stopped. Run it as an account of its own.

    It signs heads of records that follow its last head, seals of packets under that head, suspensions and rollbacks that the
    policy in them allows, and manifests of artifacts. Who asks is told by the kernel. No private key leaves it.
    """
    from mlops_assets.ledger.signing.server import Signer, serve

    allowed = [_number(account) for account in accounts]
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: stopped.append(received))
    serve(Signer(folder, after), path, allowed, stop=lambda: bool(stopped), log=lambda line: click.echo(line, err=True))


def _number(account: str) -> int:
    if account.isdecimal():
        return int(account)
    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        raise click.UsageError(f"--allow: found {account!r}, expected the name or number of an account") from None
