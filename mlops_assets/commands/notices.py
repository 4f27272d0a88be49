"""`mlops notice`: what waits to be sent, a trial of a channel, and sending again what was given up."""

from datetime import datetime

import click

from mlops_assets.commands.common import json_option, open_platform, print_json, print_table
from mlops_assets.errors import NOT_WELL, WRONG_CALL, MlopsAssetsError
from mlops_assets.ledger.canonical import iso
from mlops_assets.notification.delivery import Post
from mlops_assets.notification.notice import Notice
from mlops_assets.notification.outbox import Held, Outbox
from mlops_assets.notification.routes import read_settings
from mlops_assets.notification.webhook import NotSent
from mlops_assets.pipeline.notices import post_of
from mlops_assets.platform import Platform


class UnknownChannel(MlopsAssetsError, LookupError):
    """No such channel."""

    exit_code = WRONG_CALL


@click.group()
def notice() -> None:
    """List what waits to be sent, try a channel, and send again what was given up."""


@notice.command("list")
@json_option
@click.pass_context
def notice_list(context: click.Context, as_json: bool) -> None:
    """List notices that wait for their channel, and those that were given up."""
    outbox = Outbox(open_platform(context).home.root)
    rows = [
        *(_row(one, "waiting") for one in outbox.waiting()),
        *(_row(one, "undelivered") for one in outbox.undelivered()),
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, ["state", "channel", "model", "kind", "due", "attempts", "reason"])
    else:
        click.echo("nothing waits: every notice was sent")


@notice.command("test")
@click.argument("channel", required=False)
@click.pass_context
def notice_test(context: click.Context, channel: str | None) -> int:
    """Send a trial notice to CHANNEL, or to every channel of `config/notification.yaml`.

    The exit code is 1 when a channel does not take it.
    """
    platform = open_platform(context)
    post = _post(platform)
    known = post.settings.channels
    if channel is not None and channel not in known:
        raise UnknownChannel(
            f"found the channel {channel!r}, expected one of {', '.join(known) or 'those that config/notification.yaml declares'}"
        )
    if not known:
        click.echo("config/notification.yaml declares no channel; registered notifiers get every notice")
        return 0
    now = platform.ledger.clock()
    failed = 0
    for name in known if channel is None else [channel]:
        try:
            post.send_bundle(known[name], [_trial(name, now)], now)
        except Exception as error:  # a way out may raise whatever it likes
            failed += 1
            click.echo(
                f"{name}: {error if isinstance(error, NotSent) else f'{type(error).__name__}: {error}'}", err=True
            )
        else:
            click.echo(f"{name}: taken")
    return NOT_WELL if failed else 0


@notice.command("resend")
@click.pass_context
def notice_resend(context: click.Context) -> int:
    """Send again what was given up, and everything else that is due.

    The exit code is 1 when something could not be sent.
    """
    platform = open_platform(context)
    now = platform.ledger.clock()
    again = Outbox(platform.home.root).send_again(now)
    sent = _post(platform).send([], now)
    click.echo(f"{again} given up before, {sent.sent} sent, {sum(sent.waiting.values())} wait")
    for one in sent.failed:
        click.echo(one.text, err=True)
    return NOT_WELL if sent.failed else 0


def _post(platform: Platform) -> Post:
    return post_of(platform, read_settings(platform.project.config))


def _trial(channel: str, now: datetime) -> Notice:
    text = f"This is a trial of the channel {channel}. Nothing happened."
    return Notice(f"trial:{channel}:{iso(now)}", "trial", "", "none", text, iso(now))


def _row(held: Held, state: str) -> dict[str, object]:
    return {
        "state": state,
        "channel": held.channel,
        "model": held.notice.model or "fleet",
        "kind": str(held.notice.details.get("incident") or held.notice.kind),
        "text": held.notice.text,
        "key": held.notice.key,
        "due": held.due,
        "attempts": held.attempts,
        "reason": held.reason,
    }
