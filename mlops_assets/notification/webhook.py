"""Posting a notice to an address: as a CloudEvent, or as a template of the bank writes it; signed where a secret is declared.

Events: CloudEvents 1.0, structured mode (https://github.com/cloudevents/spec). Signature: Standard Webhooks
(https://www.standardwebhooks.com), HMAC-SHA256 over identifier, time and body. An answer other than 2xx is a failure.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.notification.notice import Notice, Places, message
from mlops_assets.notification.routes import Channel

TIMEOUT = (5, 15)
"""Seconds to connect, and to wait for an answer."""
LONGEST_ANSWER = 100_000
"""Characters of an answer in which the reference of a ticket is looked for."""
SHOWN = 200
"""Characters of an answer that are kept as the reason of a failure."""


class NotSent(MlopsAssetsError, RuntimeError):
    """A notice could not be sent; the message says why, without any secret."""


def post(channel: Channel, notice: Notice, places: Places, root: Path, now: datetime) -> str:
    """Post one notice.

    Args:
        channel: with the address.
        notice: to be sent.
        places: for links.
        root: the project's, where its template is.
        now: the time, which is part of what is signed.

    Returns:
        The reference of the ticket that was opened, where the channel says in which field of the answer it is; else empty.

    Raises:
        NotSent: it was not accepted, or cannot be written.
    """
    import requests

    assert channel.webhook is not None
    if channel.template is None:
        body, media = json.dumps(cloud_event(notice, places, root.name)), "application/cloudevents+json"
    else:
        body, media = rendered(root / channel.template, notice, places), "application/json"
    content = body.encode()
    headers = {"Content-Type": f"{media}; charset=utf-8", "User-Agent": "mlops_assets"}
    headers |= {name: variable(held) for name, held in channel.headers.items()}
    if channel.secret is not None:
        headers |= signature(variable(channel.secret), notice.key, int(now.timestamp()), content)
    try:
        # A redirect would take the notice to an address that nobody declared.
        answer = requests.post(channel.webhook, data=content, headers=headers, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        raise NotSent(f"{channel.webhook} cannot be reached: {type(error).__name__}") from error
    if not 200 <= answer.status_code < 300:
        said = " ".join(answer.text[:SHOWN].split())
        raise NotSent(f"{channel.webhook} answered {answer.status_code}" + (f": {said}" if said else ""))
    return reference_in(answer.text[:LONGEST_ANSWER], channel.ticket) if channel.ticket is not None else ""


def reference_in(answer: str, field: str) -> str:
    """The reference of a ticket in an answer; empty where there is none: the notice was accepted all the same.

    Args:
        answer: as it came.
        field: where the reference is, parts separated by dots.
    """
    try:
        found: Any = json.loads(answer)
        for part in field.split("."):
            found = found[part]
    except (ValueError, LookupError, TypeError):
        return ""
    return str(found).strip() if isinstance(found, (str, int)) and not isinstance(found, bool) else ""


def cloud_event(notice: Notice, places: Places, project: str) -> dict[str, Any]:
    """The notice as a CloudEvent; the same notice has the same `id`."""
    written = message(notice, places)
    return {
        "specversion": "1.0",
        "id": notice.key,
        "source": f"urn:mlops_assets:{project}",
        "type": f"mlops_assets.{notice.kind}",
        "subject": notice.model or "fleet",
        "time": notice.at,
        "datacontenttype": "application/json",
        "data": {**asdict(notice), "title": written.title, "message": written.body},
    }


def rendered(path: Path, notice: Notice, places: Places) -> str:
    """What a template makes of a notice. It is given `notice`, `title` and `message`; `tojson` quotes a text.

    Raises:
        NotSent: there is no such file, it cannot be rendered, or the result is not JSON.
    """
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    written = message(notice, places)
    try:
        template = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False).from_string(
            path.read_text(encoding="utf-8")
        )
        text = template.render(notice=asdict(notice), title=written.title, message=written.body)
    except (OSError, UnicodeDecodeError, TemplateError) as error:
        raise NotSent(f"template {path.name} cannot be used: {error}") from error
    try:
        json.loads(text)
    except ValueError as error:
        raise NotSent(
            f"template {path.name} gave no JSON ({error}); write texts as {{{{ notice.text | tojson }}}}"
        ) from error
    return text


def signature(secret: str, identifier: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Headers that prove where a body comes from.

    Args:
        secret: shared with the receiver; one that begins with `whsec_` is base64, any other counts as it is.
        identifier: of the notice.
        timestamp: seconds since 1970.
        body: as posted.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    except ValueError:
        raise NotSent("the secret of the webhook begins with whsec_ and is not base64") from None
    signed = f"{identifier}.{timestamp}.".encode() + body
    found = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": identifier, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{found}"}


def variable(name: str) -> str:
    """The value of an environment variable.

    Raises:
        NotSent: it is not set.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        raise NotSent(
            f"the environment variable {name} is not set; set it where notices are sent (Dagster's run workers)"
        )
    return value
