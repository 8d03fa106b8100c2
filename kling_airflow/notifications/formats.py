"""A message as Slack's blocks, as an adaptive card for Teams, and as HTML for an e-mail."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_airflow.notifications.message import Message

_SLACK_TEXT = 2900
"""Characters of one section; Slack refuses more than 3000."""
_SLACK_TITLE = 150
_SLACK_FIELDS = 10


def slack_blocks(message: Message, picture: str | None = None) -> list[dict[str, Any]]:
    """Return a message as Slack's blocks.

    :param picture: an address that Slack can read.
    """
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": message.title[:_SLACK_TITLE]}}
    ]
    if message.lines:
        blocks.append(_mrkdwn("\n".join(map(_slack, message.lines))))
    if message.facts:
        fields = [
            {"type": "mrkdwn", "text": f"*{_slack(name)}*\n{_slack(value)}"} for name, value in message.facts
        ]
        blocks.append({"type": "section", "fields": fields[:_SLACK_FIELDS]})
    if message.links:
        blocks.append(_mrkdwn("  ".join(f"<{_slack(url)}|{_slack(name)}>" for name, url in message.links)))
    if picture:
        blocks.append({"type": "image", "image_url": picture, "alt_text": message.title[:_SLACK_TITLE]})
    return blocks


def teams_card(message: Message, picture: str | None = None) -> dict[str, Any]:
    """Return a message as the body of a post to a Teams workflow: one adaptive card.

    :param picture: an address that Teams can read.
    """
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": message.title, "weight": "bolder", "size": "medium", "wrap": True}
    ]
    body += [{"type": "TextBlock", "text": line, "wrap": True} for line in message.lines]
    if picture:
        body.append({"type": "Image", "url": picture, "altText": message.title})
    if message.facts:
        facts = [{"title": name, "value": value} for name, value in message.facts]
        body.append({"type": "FactSet", "facts": facts})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": name, "url": url} for name, url in message.links],
    }
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


def email_html(message: Message, picture: str | None = None) -> str:
    """Return a message as HTML.

    :param picture: the source of the image: ``cid:`` and the name of an attached file, or an address.
    """
    rows = "".join(
        f"<tr><td><b>{escape(name)}</b>&nbsp;</td><td>{escape(value)}</td></tr>"
        for name, value in message.facts
    )
    links = " &middot; ".join(f'<a href="{escape(url)}">{escape(name)}</a>' for name, url in message.links)
    parts = [
        f"<h3>{escape(message.title)}</h3>",
        *(f"<p>{escape(line)}</p>" for line in message.lines),
        f"<table>{rows}</table>" if rows else "",
        f'<p><img src="{escape(picture)}" alt="" style="max-width:640px"></p>' if picture else "",
        f"<p>{links}</p>" if links else "",
    ]
    return "\n".join(part for part in parts if part)


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_SLACK_TEXT]}}


def _slack(text: str) -> str:
    """Return a text without the three characters that mean something to Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
