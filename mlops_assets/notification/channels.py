"""What keeps declared channels from being used, before anything is sent."""

from pathlib import Path

from mlops_assets.notification import apprise_service
from mlops_assets.notification.notifiers import NOTIFIERS
from mlops_assets.notification.routes import FILE, Settings
from mlops_assets.notification.webhook import NotSent, variable


def unusable_channels(settings: Settings, root: Path) -> list[str]:
    """A line for each mistake: a variable that is not set, a file or a notifier that is not there, an address nobody knows.

    Args:
        settings: with the channels.
        root: the project's, where templates are.
    """
    found = []
    for name, channel in settings.channels.items():
        if channel.apprise is not None:
            found += [f"channel {name}: {line}" for line in apprise_service.usable(channel.apprise)]
        if channel.notifier is not None and channel.notifier not in NOTIFIERS:
            found.append(f"channel {name}: no notifier {channel.notifier!r} is registered")
        if channel.template is not None and not (root / channel.template).is_file():
            found.append(f"channel {name}: there is no file {channel.template} in the project")
        for needed in (channel.secret, *channel.headers.values()):
            try:
                _ = variable(needed) if needed else ""
            except NotSent as error:
                found.append(f"channel {name}: {error}")
    return [f"config/{FILE}: {line}" for line in found]
