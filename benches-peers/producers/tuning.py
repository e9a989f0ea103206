"""Measures batch.size x linger.ms x compression.type x acks with `sr perf produce` on Apache Kafka, and writes
docs/tuning.md, from the text in tuning.md.in, and docs/tuning.svg.

    cargo build --release --bin sr
    ${SR_CACHE:-$HOME/.cache/schema-registry-tests}/python/bin/python benches-peers/producers/tuning.py

`./test` makes that Python environment and fetches Kafka's jars. `--quick` sends few records, to try the script.
"""

import argparse
import datetime
import itertools
import json
import os
import pathlib
import subprocess

import kafka
import plot
from tree import ROOT, commit

PAYLOADS = "cli/data/flights.csv"
PARTITIONS = 12

BATCH_SIZES = [16_384, 65_536, 262_144]
LINGERS_MS = [0, 5, 50]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
ACKS = ["0", "1", "all"]

# At full speed, and for so long at a rate that leaves the producer idle most of the time.
FULL_SPEED = -1
STEADY_RATE = 20_000
STEADY_RUN_S = 2


def command(sr, servers, setting, rate, records):
    """The command of one run, as it is printed under the tables."""
    batch, linger, codec, acks = setting
    properties = [f"batch.size={batch}", f"linger.ms={linger}", f"compression.type={codec}", f"acks={acks}"]
    return [
        sr, "perf", "produce", "--topic", "tuning", "--bootstrap-servers", servers,
        "--payload-file", PAYLOADS, "--num-records", str(records), "--warmup", str(records // 10),
        "--throughput", str(rate), "-o", "json", "--producer-props", *properties,
    ]


def run(broker, sr, setting, rate, records):
    broker.create_topic("tuning", PARTITIONS)
    try:
        arguments = command(sr, broker.address, setting, rate, records)
        done = subprocess.run(arguments, cwd=ROOT, check=True, capture_output=True, text=True)
        report = json.loads(done.stdout)
        # Without the warm-up, in which the producer connects and learns of a topic that was just made.
        return {**report, **report["steady_state"]}
    finally:
        broker.delete_topic("tuning")


def measure(broker, sr, settings, rate, records, rounds, figure):
    """The median run by a figure of each setting; the rounds are interleaved."""
    found = {setting: [] for setting in settings}
    for number, setting in itertools.product(range(rounds), settings):
        report = run(broker, sr, setting, rate, records)
        found[setting].append(report)
        print(number + 1, rate, *setting, f"{figure(report):.1f}", flush=True)
    middle = lambda reports: sorted(reports, key=figure)[len(reports) // 2]
    return {setting: middle(reports) for setting, reports in found.items()}


def table(header, rows):
    lines = [header, ["---:" if index else "---" for index in range(len(header))], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def full_speed_table(found):
    rows = []
    for (batch, linger, codec, acks), report in found.items():
        rows.append([
            f"{batch:,}", linger, codec, acks, f"{report['records_per_s']:,.0f}", f"{report['mb_per_s']:.0f}",
            f"{report['cpu_s_per_million_records']:.2f}", f"{report['metrics']['compression-rate-avg']:.2f}",
            f"{report['metrics']['records-per-request-avg']:,.0f}", f"{report['latency_ms']['p99']:.0f}",
        ])
    return table(["batch.size", "linger.ms", "compression.type", "acks", "records/s", "MB/s",
                  "CPU s per million", "compressed to", "records a request", "p99 ms"], rows)


def steady_table(found):
    rows = []
    for (batch, linger, codec, acks), report in found.items():
        steady = report["latency_ms"]
        rows.append([
            f"{batch:,}", linger, codec, acks, f"{steady['p50']:.1f}", f"{steady['p99']:.1f}", f"{steady['p99.9']:.1f}",
            f"{report['cpu_s_per_million_records']:.1f}", f"{report['metrics']['records-per-request-avg']:,.0f}",
        ])
    return table(["batch.size", "linger.ms", "compression.type", "acks", "p50 ms", "p99 ms", "p99.9 ms",
                  "CPU s per million", "records a request"], rows)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sr", default=str(ROOT / "target/release/sr"), help="the binary to measure")
    arguments.add_argument("--out", type=pathlib.Path, default=ROOT / "docs", help="where the page and the plot go")
    arguments.add_argument("--records", type=int, default=1_000_000, help="of a run at full speed")
    arguments.add_argument("--quick", action="store_true", help="few records and a few settings, to try the script")
    given = arguments.parse_args()
    sr = str(pathlib.Path(given.sr).resolve())
    records, rounds = (10_000, 1) if given.quick else (given.records, 3)
    steady_records = min(records, STEADY_RUN_S * STEADY_RATE)
    settings = list(itertools.product(BATCH_SIZES, LINGERS_MS, CODECS, ACKS))
    if given.quick:
        settings = settings[::10]

    load = os.getloadavg()
    with kafka.Kafka() as broker:
        full = measure(broker, sr, settings, FULL_SPEED, records, rounds, lambda report: report["records_per_s"])
        steady = measure(broker, sr, settings, STEADY_RATE, steady_records, rounds,
                         lambda report: report["latency_ms"]["p99"])

    shown = lambda rate, count: " ".join(
        ["sr", *command("sr", "127.0.0.1:9092", (16_384, 5, "lz4", "all"), rate, count)[1:]])
    text = pathlib.Path(__file__).with_name("tuning.md.in").read_text().format(
        date=datetime.date.today().isoformat(), commit=commit("producer-core", "cli"), cores=os.cpu_count(), load=f"{load[0]:.1f}", kafka=kafka.VERSION,
        records=f"{records:,}", rounds=rounds, rate=f"{STEADY_RATE:,}", full_speed=full_speed_table(full),
        full_speed_command=shown(FULL_SPEED, records), steady_records=f"{steady_records:,}",
        steady=steady_table(steady), steady_command=shown(STEADY_RATE, steady_records))
    (given.out / "tuning.md").write_text(text)
    (given.out / "tuning.svg").write_text(plot.throughput(full))


if __name__ == "__main__":
    main()
