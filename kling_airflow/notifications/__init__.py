"""Messages about clips for Slack, e-mail and Teams: what there is, what it cost, a picture, links."""
