"""Sending text to people with Apprise (https://github.com/caronc/apprise): mail, chat, pager, SMS and some hundred services more."""

import logging
from typing import Any

from mlops_assets.notification.notice import Message
from mlops_assets.notification.webhook import NotSent, variable


def send_text(name: str, message: Message) -> None:
    """Send a message to every Apprise URL in an environment variable.

    Args:
        name: of the variable.
        message: plain text.

    Raises:
        NotSent: Apprise is not installed, a URL cannot be used, or a service did not take the message. No URL is in the text:
            it holds secrets.
    """
    apprise = _library()
    service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="mlops_assets", async_mode=False))
    for number, url in enumerate(variable(name).split(), start=1):
        if not service.add(url):
            raise NotSent(f"URL {number} in {name} is none that Apprise knows; see its list of services")
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:
        taken = service.notify(body=message.body, title=message.title, body_format=apprise.NotifyFormat.TEXT)
        reasons = said.getvalue().strip().splitlines()
    if not taken:
        why = f": {_without_secrets(reasons[-1], name)}" if reasons else ""
        raise NotSent(f"a service of {name} did not take the message{why}")


def usable(name: str) -> list[str]:
    """What keeps the variable from being used, a line each."""
    try:
        apprise = _library()
        urls = variable(name).split()
    except NotSent as error:
        return [str(error)]
    return [
        f"URL {number} in {name} is none that Apprise knows; see its list of services"
        for number, url in enumerate(urls, start=1)
        if not apprise.Apprise().add(url)
    ]


def _library() -> Any:
    try:
        import apprise
    except ImportError as error:
        raise NotSent(
            "a channel uses Apprise, which is not installed; run: pip install 'mlops_assets[notify]'"
        ) from error
    return apprise


def _without_secrets(reason: str, name: str) -> str:
    for url in variable(name).split():
        for part in {url, url.partition("://")[2], *_credentials(url)}:
            reason = reason.replace(part, "…") if len(part) > 3 else reason
    return reason


def _credentials(url: str) -> list[str]:
    from urllib.parse import unquote, urlsplit

    try:
        found = urlsplit(url)
        given = [found.username or "", found.password or "", *found.path.split("/"), *found.query.split("&")]
    except ValueError:
        return []
    return [one for part in given for one in (part, unquote(part), part.partition("=")[2]) if len(one) > 3]
