"""Kafka producers side by side: records/s, CPU seconds per million records, peak memory, and latency at a fixed rate.

    cargo build --release -p end-to-end-tests --bin null-broker
    cargo build --release --manifest-path benches-peers/Cargo.toml --bin ours
    (cd benches-peers/producers/franz-go && go build -o ../../target/release/franz-go .)
    ${SR_CACHE:-$HOME/.cache/schema-registry-tests}/python/bin/python benches-peers/producers/compare.py

Every client runs in a process of its own and sends the same records to the same broker: the null broker, which keeps
nothing and runs in a process of its own, then Apache Kafka (`--broker`). All are idempotent with acks=all, linger 5 ms
and a bound of 32 MiB, and have a callback for each record. The clients of a cell run one after the other, round after
round, so that what else the machine does meets all of them; the median by CPU time is shown, whoever loses by it. CPU
and memory are those of the whole process, its start included, which costs Java about a second; Java's own tool also
makes new random letters for every record.
"""

import argparse
import itertools
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

import kafka

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = ROOT / "benches-peers/target/release"
NULL_BROKER = ROOT / "target/release/null-broker"
PARTITIONS = 12
KEYS = 10_000
RATE = 50_000
RUN_S = 120  # a run that takes longer hangs

# Kafka's own tool, by the line that it ends with.
JAVA_END = re.compile(
    r"(\d+) records sent, ([\d.]+) records/sec .*?, ([\d.]+) ms avg.*?, (\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th")


def flags(load):
    given = {"servers": load["servers"], "topic": load["topic"], "records": load["records"], "bytes": load["bytes"],
             "keys": load["keys"], "codec": load["codec"], "batch": load["batch"], "rate": load["rate"]}
    return [part for name, value in given.items() for part in (f"-{name}", str(value))]


def java_command(load):
    """org.apache.kafka.tools.ProducerPerformance, which has no keys."""
    if load["keys"]:
        return None
    properties = [f"bootstrap.servers={load['servers']}", f"batch.size={load['batch']}",
                  f"compression.type={load['codec']}", "linger.ms=5"]
    return kafka.java("org.apache.kafka.tools.ProducerPerformance", "--topic", load["topic"], "--num-records",
                      load["records"], "--record-size", load["bytes"], "--throughput", load["rate"] or -1,
                      "--command-property", *properties)


def java_result(printed, load):
    count, per_s, _, p50, p99 = JAVA_END.findall(printed)[-1]
    latency = {"p50_ms": float(p50), "p99_ms": float(p99)} if load["rate"] else {}
    return {"records": int(count), "elapsed_s": int(count) / float(per_s), **latency}


def own_result(printed, _load):
    return json.loads(printed.strip().splitlines()[-1])


# A client: its command for a load, or None if it cannot do it, and how to read what it prints.
CLIENTS = {
    "ours": (lambda load: [str(BUILT / "ours"), *flags(load)], own_result),
    "franz-go": (lambda load: [str(BUILT / "franz-go"), *flags(load)], own_result),
    "Java": (java_command, java_result),
}


class NullBroker:
    """The null broker in a process of its own; it ends when its standard input closes."""

    def __enter__(self):
        self._process = subprocess.Popen([NULL_BROKER, str(PARTITIONS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.address = self._process.stdout.readline().decode().strip()
        return self

    def create_topic(self, *_):
        """Every topic is there."""

    delete_topic = create_topic

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(10)


def run(client, load):
    """One run: what the client says, and what its process took. None if it cannot do this load."""
    command, read = CLIENTS[client]
    arguments = command(load)
    if arguments is None:
        return None
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(arguments, stdout=out, stderr=err)
        deadline, status = time.monotonic() + RUN_S, 0
        while status == 0:
            # By wait4, which tells what this process took, and no other.
            status, code, usage = os.wait4(process.pid, os.WNOHANG)
            if status == 0 and time.monotonic() > deadline:
                process.kill()
            time.sleep(0.01)
        code = process.returncode = os.waitstatus_to_exitcode(code)
        out.seek(0)
        err.seek(0)
        printed, complaint = out.read().decode(), err.read().decode()
    if code != 0:
        raise RuntimeError(f"{' '.join(arguments)} ended with {code}:\n{printed[-1000:]}{complaint[-2000:]}")
    result = read(printed, load)
    if result["records"] != load["records"]:
        raise RuntimeError(f"{client} delivered {result['records']} of {load['records']} records")
    cpu_s = usage.ru_utime + usage.ru_stime
    return {**result, "cpu_s_per_million": cpu_s / load["records"] * 1e6, "peak_mib": usage.ru_maxrss / 1024}


def cells(scale):
    """The loads: value size, codec, keys and batch size at full speed, then one at a fixed rate."""
    for size, codec, keys in itertools.product([100, 1_000], ["none", "lz4"], [0, KEYS]):
        records = int((3_000_000 if size == 100 else 600_000) * scale)
        batch = 16_384 if size == 100 else 262_144
        yield {"bytes": size, "codec": codec, "keys": keys, "batch": batch, "records": records, "rate": 0}
    yield {"bytes": 100, "codec": "none", "keys": 0, "batch": 16_384, "records": int(RATE * 10 * scale), "rate": RATE}


def show(load, rounds):
    keys = f"{load['keys']:,} keys" if load["keys"] else "no keys"
    speed = f"{load['rate']:,}/s" if load["rate"] else "full speed"
    print(f"\n### {load['bytes']:,} B, {keys}, {load['codec']}, batch.size {load['batch']:,}, {speed}\n")
    print("| client | records/s | CPU s per million | peak MiB | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|---:|")
    for client, found in rounds.items():
        if not found:
            print(f"| {client} | cannot | | | | |")
            continue
        middle = sorted(found, key=lambda result: result["cpu_s_per_million"])[len(found) // 2]
        latency = [f"{middle[name]:.1f}" if middle.get(name) is not None else "" for name in ("p50_ms", "p99_ms")]
        print(f"| {client} | {middle['records'] / middle['elapsed_s']:,.0f} | {middle['cpu_s_per_million']:.2f} | "
              f"{middle['peak_mib']:.0f} | {' | '.join(latency)} |")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--broker", choices=["null", "kafka"], default="null")
    arguments.add_argument("--clients", default=",".join(CLIENTS), help="separated by commas")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--scale", type=float, default=1.0, help="times as many records")
    given = arguments.parse_args()
    clients = given.clients.split(",")

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start, medians of {given.rounds} rounds, "
          f"broker: {given.broker}, {PARTITIONS} partitions")
    with (NullBroker() if given.broker == "null" else kafka.Kafka()) as broker:
        for number, load in enumerate(cells(given.scale)):
            rounds = {client: [] for client in clients}
            topic = f"compared-{number}"
            broker.create_topic(topic, PARTITIONS)
            for _, client in itertools.product(range(given.rounds), clients):
                result = run(client, {**load, "servers": broker.address, "topic": topic})
                rounds[client] += [result] if result else []
            broker.delete_topic(topic)
            show(load, rounds)


if __name__ == "__main__":
    main()
