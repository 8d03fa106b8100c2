"""One storyboard of many shots, killed at random moments: ``make chaos ARGS="--storyboard 400"``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._table import publish
from kling_airflow.simulator import Simulator
from tests.chaos.account import COLUMNS, Account
from tests.e2e.board_kills import ACCOUNTS, DAG_ID, KilledBoard
from tests.e2e.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kling_airflow.simulator.queue.billing import LedgerEntry

SPEED = 8.0
IN_FLIGHT = 40
DAGS = Path(__file__).parents[1] / "e2e" / "dags"


def main(options: argparse.Namespace) -> int:
    """Run it; return 1 if a clip was bought twice, was lost or is missing, or too little was killed."""
    with (
        tempfile.TemporaryDirectory(prefix="kling-airflow-chaos-") as folder,
        Simulator(speed=SPEED, render="fast", seed=options.seed, accounts=ACCOUNTS) as simulator,
        board_world(Path(folder), simulator) as world,
    ):
        board = KilledBoard(
            world, "chaos", options.storyboard, options.kills, options.seed, in_flight=IN_FLIGHT
        )
        print(f"{options.storyboard} shots, {options.kills} kills, seed {options.seed}", flush=True)
        began = time.monotonic()
        state = board.play(60 * options.minutes)
        account = settle_board(
            [board.prompt(number) for number in range(board.shots)],
            world.orders(),
            set(board.landed().values()),
            tries=board.run.instance("clips")["try_number"],
            seconds=time.monotonic() - began,
        )
        whole = state == "success" and account.billed == account.landed == board.shots
        kills = ", ".join(f"{count} {name}s" for name, count in sorted(board.killed.items()))
        publish(
            "chaos_storyboard",
            f"{board.shots} shots of one storyboard in a real Airflow, killed at random moments",
            COLUMNS,
            [account.row("KlingStoryboardOperator")],
            notes=[f"Seed {options.seed}. The run ended as {state}. Killed: {kills}."],
        )
    return 0 if whole and board.killed.total() == board.kills else 1


def board_world(folder: Path, simulator: Simulator) -> World:
    """Return a cluster that runs storyboards out of a folder."""
    told = {"AIRFLOW__KLING__ALLOWED_SOURCES": folder.as_uri(), "AIRFLOW__KLING__DEPLOYMENT": "chaos"}
    return World(folder, dags=DAGS, names=(DAG_ID,), simulator=simulator, environment=told, parallelism=4)


def settle_board(
    asked: Sequence[str],
    orders: Mapping[str, Sequence[LedgerEntry]],
    landed: set[str],
    *,
    tries: int,
    seconds: float,
    unresolved: frozenset[str] = frozenset(),
) -> Account:
    """Hold what was billed for each shot against what has landed.

    :param asked: the shots' prompts.
    :param orders: the billing ledger by prompt.
    :param landed: the request ids of the clips in the store.
    :param unresolved: the prompts of the clips that are still looked for.
    """
    billed = [[entry for entry in orders.get(prompt, ()) if entry.billed] for prompt in asked]
    have = [any(entry.request_id in landed for entry in paid) for paid in billed]
    spent = [entry for paid in billed for entry in paid]
    open_ = [prompt in unresolved and not there for prompt, there in zip(asked, have, strict=True)]
    return Account(
        asked=len(asked),
        billed=len(spent),
        landed=sum(have),
        bought_twice=sum(len(paid) - 1 for paid in billed if paid),
        unbilled=sum(1 for paid, still in zip(billed, open_, strict=True) if not paid and not still),
        lost=sum(
            1
            for paid, is_there, still in zip(billed, have, open_, strict=True)
            if paid and not is_there and not still
        ),
        unresolved=sum(open_),
        tries=tries,
        spent_usd=sum(entry.amount_usd for entry in spent),
        wasted_usd=sum(entry.amount_usd for entry in spent if entry.request_id not in landed),
        seconds=seconds,
    )
