"""A callback that tells people of a clip, by the notifiers of other providers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.airflow_compat import BaseHook, BaseNotifier
from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import airflow_errors
from kling_airflow.notifications.formats import email_html, slack_blocks, teams_card
from kling_airflow.notifications.message import Message, message_of
from kling_airflow.notifications.picture import is_public, picture_address, read_picture

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context

_PROVIDERS: Final = {"slack": "slack", "smtp": "smtp", "teams": "http"}
"""The provider that each channel needs."""


class KlingNotifier(BaseNotifier):
    """Tell people what a task has bought, landed or joined, and what it cost; or why it failed.

    For ``on_success_callback``, ``on_failure_callback`` and ``on_retry_callback`` of this package's tasks.
    The message has the cost, the length, the place, the links of the task, and a picture: the poster, the
    contact sheet, or the queue's thumbnail. Name one channel.

    :param slack: connection of a Slack incoming webhook; needs ``apache-airflow-providers-slack``.
    :param smtp: connection of a mail server; needs ``apache-airflow-providers-smtp``, and ``to``.
    :param teams: HTTP connection whose host is the address of a Teams workflow ("Post to a channel when a
        webhook request is received"); needs ``apache-airflow-providers-http``.
    :param to: who gets the mail; templated.
    :param from_email: who sends it; None for what the connection says; templated.
    :param picture: whether the message has a picture.
    :param picture_conn_id: connection of the store of the picture; None for the store's default.
    :param picture_seconds: how long a chat's server may read a stored picture, by an address that is signed
        for it. In an e-mail the picture itself is sent.
    """

    template_fields: Sequence[str] = ("to", "from_email")

    def __init__(
        self,
        *,
        slack: str | None = None,
        smtp: str | None = None,
        teams: str | None = None,
        to: str | Iterable[str] | None = None,
        from_email: str | None = None,
        picture: bool = True,
        picture_conn_id: str | None = None,
        picture_seconds: int = 3600,
    ) -> None:
        super().__init__()
        named = {"slack": slack, "smtp": smtp, "teams": teams}
        with airflow_errors():
            self.channel, self.conn_id = _channel(named, to)
        self.to = to
        self.from_email = from_email
        self.picture = picture
        self.picture_conn_id = picture_conn_id
        self.picture_seconds = picture_seconds

    def notify(self, context: Context) -> None:
        """Send the message. What the callback raises here, Airflow logs; the task's state stays."""
        given: Mapping[str, Any] = context
        message = message_of(given)
        {"slack": self._slack, "smtp": self._smtp, "teams": self._teams}[self.channel](message, context)

    def _slack(self, message: Message, context: Context) -> None:
        from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

        blocks = slack_blocks(message, self._address(message))
        SlackWebhookNotifier(
            slack_webhook_conn_id=self.conn_id, text=message.text(), blocks=blocks, unfurl_links=False
        ).notify(context)

    def _teams(self, message: Message, context: Context) -> None:
        from airflow.providers.http.hooks.http import HttpHook

        hook: Any = HttpHook(method="POST", http_conn_id=self.conn_id)
        hook.run(json=teams_card(message, self._address(message)))

    def _smtp(self, message: Message, context: Context) -> None:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        with tempfile.TemporaryDirectory(prefix="kling-mail-") as folder:
            source, files = self._attached(message, Path(folder))
            SmtpNotifier(
                to=[*self.to] if self.to and not isinstance(self.to, str) else str(self.to),
                from_email=self.from_email or self._sender(),
                subject=message.title,
                html_content=email_html(message, source),
                files=files,
                mime_subtype="related",
                smtp_conn_id=self.conn_id,
            ).notify(context)

    def _sender(self) -> str | None:
        """Return the connection's own sender; None leaves it to the SMTP provider.

        That of 2.11 (2.1.0) asks its hook for it before the hook has read the connection, and fails.
        """
        connection = BaseHook.get_connection(self.conn_id)
        sender = connection.extra_dejson.get("from_email")
        return str(sender) if sender else None

    def _attached(self, message: Message, folder: Path) -> tuple[str | None, list[str]]:
        """Return the source of the mail's image, and the file that is attached for it."""
        if not self.picture or message.picture is None:
            return None, []
        if is_public(message.picture):
            return message.picture, []
        data = read_picture(message.picture, self.picture_conn_id, self.log)
        if data is None:
            return None, []
        path = folder / f"picture{Path(message.picture).suffix}"
        path.write_bytes(data)
        return f"cid:{path.name}", [str(path)]

    def _address(self, message: Message) -> str | None:
        if not self.picture or message.picture is None:
            return None
        return picture_address(message.picture, self.picture_conn_id, self.picture_seconds, self.log)


def _channel(named: Mapping[str, str | None], to: object) -> tuple[str, str]:
    """Return the channel and its connection.

    :raises InvalidArgument: if none or several are named, or what the channel needs isn't there.
    """
    given = [(channel, conn_id) for channel, conn_id in named.items() if conn_id]
    if len(given) != 1:
        raise InvalidArgument("KlingNotifier needs one of `slack`, `smtp` and `teams`: a connection's id.")
    channel, conn_id = given[0]
    if (channel == "smtp") != bool(to):
        raise InvalidArgument("KlingNotifier needs `to` with `smtp`, and only with it.")
    provider = _PROVIDERS[channel]
    if not _is_installed(f"airflow.providers.{provider}"):
        raise InvalidArgument(
            f"KlingNotifier(`{channel}`) needs apache-airflow-providers-{provider}, which isn't installed.",
            todo=f"pip install apache-airflow-providers-{provider}",
        )
    return channel, conn_id


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
