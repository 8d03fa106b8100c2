"""`kling-airflow simulator`: the request queue as a process."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import Any, get_args

from kling_airflow.simulator.config_file import load
from kling_airflow.simulator.settings import Settings, problems

DEFAULT_PORT = 8787
_SKIPPED = frozenset({"accounts", "allowed_hosts", "faults"})
HELP = {
    "speed": "how many times faster than the real service the simulator works (default 1)",
    "seed": "the seed of every random choice (default 0)",
    "transitions": "what moves a request on: time, its reads, or nothing: it ends at once (default: time)",
    "clock_skew_seconds": "how far the service's clock is ahead of this machine's (default 0)",
    "generation_seconds": "how long a generation takes at speed 1 (default: about 165 for a clip of 5 s)",
    "submit_seconds": "how long a submission takes at speed 1 (default 1)",
    "render": "clips rendered from the frames, or one tiny clip for each duration (default: full)",
    "render_workers": "number of processes that render clips (default 1)",
    "media_dir": "the folder of the rendered clips (default: a temporary folder)",
    "fetch_frames": "fetch and check frames that are given as URLs (default: yes)",
    "allowed_hosts": "a host name that calls may name besides localhost and --host; may be repeated",
    "public_url": "the beginning of media and upload URLs, if a proxy stands before the simulator",
    "upload_expiry_seconds": "how long an upload URL is valid (default 900)",
    "strict_enums": "refuse integers where enums of strings are documented",
    "unknown_keys": "whether unknown payload keys are refused or ignored (default: refuse)",
    "list_needs_model": "a list without model_id is empty (default: the list shows every model)",
    "list_lag_seconds": "how far the list lags behind the requests by id (default 0)",
    "cancel": "the answer to DELETE: the request is cancelled, or 404, or 405 (default: supported)",
    "payload_echo": "whether records echo the payload (default: whole)",
    "max_body_bytes": "the largest body of a submission (default 64 MiB)",
    "error_shape": "the type of `error`; mixed, which is assumed: every third is an object (default: mixed)",
    "speech_outcome": "how speech models name their file (default: audio_url)",
    "sync_failures": "the answer to a synchronous model's failure: 400, or its record (default: 400)",
    "webhooks": "whether the webhook that a submission names is called with the record (default: ignore)",
    "unreachable_frames": "if a frame can't be fetched: 500 on the POST, or a late failure (default: either)",
    "reads_per_step": "the number of reads of each step with --transitions reads (default 2)",
    "late_failure_seconds": "seconds after which unreachable media fails a request, at speed 1 (default 600)",
    "frame_timeout": "the time limit of fetching a frame, in seconds (default 10)",
    "list_outcomes": "whether the list's rows carry their outcome (default: yes)",
    "bill_cancelled": "cancelled requests are billed",
    "base64_frames": "accept frames as Base64 (default: yes)",
    "base64_prefix": "accept Base64 with a data: prefix",
    "retry_after": "seconds in the Retry-After of a 429 (default: no such header)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"0 takes a free one (default {DEFAULT_PORT})"
    )
    parser.add_argument(
        "--allowed-host",
        dest="allowed_hosts",
        action="append",
        metavar="NAME",
        help=HELP["allowed_hosts"],
    )
    parser.add_argument("--quiet", action="store_true", help="don't print what happens to each request")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with any of the settings")
    for name, field in Settings.model_fields.items():
        if name in _SKIPPED:
            continue
        options: dict[str, Any] = {"dest": name, "default": None, "help": HELP[name]}
        choices = _choices(field.annotation)
        if field.annotation is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif choices:
            options["choices"] = choices
        else:
            options["metavar"] = "N" if field.annotation in (int, float) else "VALUE"
        parser.add_argument(f"--{name.replace('_', '-')}", **options)


def run(args: argparse.Namespace) -> int:
    """Run the simulator until it is interrupted; return the exit code."""
    from kling_airflow.simulator.http.listener import listen
    from kling_airflow.simulator.server import Simulator, loop_factory

    chosen = {name: getattr(args, name) for name in Settings.model_fields if name not in _SKIPPED}
    chosen["allowed_hosts"] = args.allowed_hosts
    chosen = {name: value for name, value in chosen.items() if value is not None}
    try:
        settings = load(args.config, **chosen) if args.config else Settings(**chosen)
        listener = listen(args.host, args.port)
    except ValueError as error:
        return _failed(problems(error))
    except OSError as error:
        return _failed(": ".join(filter(None, (error.filename, error.strerror))) or str(error))
    if not args.quiet:
        _log_to_stderr()
    simulator = Simulator(settings, host=args.host, port=listener.getsockname()[1])
    print(_welcome(simulator), flush=True)  # noqa: T201
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(simulator.serve(listener))
    except KeyboardInterrupt:
        return 130
    return 0


def _log_to_stderr() -> None:
    """Log to standard error what happens to each request, and why a frame is refused."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("kling_airflow.simulator")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def _failed(reason: str) -> int:
    print(f"kling-airflow simulator: {reason}", file=sys.stderr)  # noqa: T201
    return 1


def _welcome(simulator: Any) -> str:
    accounts = simulator.settings.accounts
    keys = "\n".join(
        f"  API key ({account.name}, {account.organization}): {account.key}" for account in accounts
    )
    return (
        f"GMI Cloud's request queue, simulated at {simulator.settings.speed:g}x: {simulator.base_url}\n"
        f"  Page:       {simulator.base_url}/_simulator/\n"
        f"{keys}\n\n"
        f"  export AIRFLOW_CONN_GMI_CLOUD_DEFAULT='{simulator.connection}'\n\n"
        "Ctrl-C stops it."
    )


def _choices(annotation: Any) -> list[str]:
    """Return the values of a Literal of strings."""
    return [value for value in get_args(annotation) if isinstance(value, str)]
