"""Three worker processes that share PostgreSQL and Redis, as on three machines."""

import json
import subprocess
import sys

import pytest

from benchmarks.faults.lab import ROOT


@pytest.mark.postgres
@pytest.mark.redis
def test_three_workers_on_postgres_and_redis_send_every_mail_once_and_all_take_part():
    """In a process of its own, because Django is set up on other stores there."""
    options = ["--database", "postgres", "--queue", "redis", "--only", "sharing", "--mails", "1200"]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_faults", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    figures = {line["figure"]: line for line in map(json.loads, ran.stdout.splitlines())}
    assert figures["three workers: lost"]["value"] == 0
    assert figures["three workers: sent twice"]["value"] == 0
    shares = figures["three workers: lost"]["shares"]
    assert len(shares) == 3
    assert min(shares) > 0
    assert figures["three workers: woken after"]["value"] < 20_000, "it was not a beat, which comes after 300 s"
