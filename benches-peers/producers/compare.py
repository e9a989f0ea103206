"""Kafka producers side by side: records/s, CPU seconds per million records, peak memory, and latency at a fixed rate.

    cargo build --release -p end-to-end-tests --bin null-broker
    cargo build --release --manifest-path benches-peers/Cargo.toml --features peers --bins
    (cd benches-peers/producers/franz-go && go build -o ../../target/release/franz-go .)
    ${SR_CACHE:-$HOME/.cache/schema-registry-tests}/python/bin/python benches-peers/producers/compare.py

Every client runs in a process of its own and sends the same records to the same broker: the null broker, which keeps
nothing and runs in a process of its own, or Apache Kafka (`--broker kafka`). With `--page` the tables go into that
page, in place of those of the same broker. `./test` makes the Python environment and fetches Kafka's jars.
"""

import argparse
import contextlib
import datetime
import itertools
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

import kafka
from tree import ROOT, commit

BUILT = ROOT / "benches-peers/target/release"
NULL_BROKER = ROOT / "target/release/null-broker"
SOURCES = "producer-core", "benches-peers"
PARTITIONS = 12
KEYS = 10_000
RATE = 50_000
RATE_RUN_S = 4
WARM_UP_S = 1  # as in the clients: latencies count from then on
RUN_S = 120  # a run that takes longer hangs
BASELINE = "franz-go"  # the others' CPU time is shown as a share of this one's

# Kafka's own tool, by the line that it ends with.
JAVA_END = re.compile(
    r"(\d+) (?:steady state )?records sent, ([\d.]+) records/sec .*?, ([\d.]+) ms avg.*?, "
    r"(\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th")


def flags(load):
    given = {"servers": load["servers"], "topic": load["topic"], "records": load["records"], "bytes": load["bytes"],
             "keys": load["keys"], "codec": load["codec"], "batch": load["batch"], "rate": load["rate"]}
    return [part for name, value in given.items() for part in (f"-{name}", str(value))]


def java_command(load):
    """org.apache.kafka.tools.ProducerPerformance, which has no keys."""
    if load["keys"]:
        return None
    warm_up = ["--warmup-records", load["rate"] * WARM_UP_S] if load["rate"] else []
    properties = [f"bootstrap.servers={load['servers']}", f"batch.size={load['batch']}",
                  f"compression.type={load['codec']}", "linger.ms=5"]
    return kafka.java("org.apache.kafka.tools.ProducerPerformance", "--topic", load["topic"], "--num-records",
                      load["records"], "--record-size", load["bytes"], "--throughput", load["rate"] or -1, *warm_up,
                      "--command-property", *properties)


def java_result(printed, load):
    ends = JAVA_END.findall(printed)
    # At a fixed rate the line of all records comes first, then that of those after the warm-up.
    (count, per_s, *_), (*_, p50, p99) = ends[-2 if load["rate"] else -1], ends[-1]
    latency = {"p50_ms": float(p50), "p99_ms": float(p99)} if load["rate"] else {}
    return {"records": int(count), "elapsed_s": int(count) / float(per_s), **latency}


def own_result(printed, _load):
    return json.loads(printed.strip().splitlines()[-1])


def built(name):
    """A program of `producers/`, which all take the same flags and print the same line."""
    return lambda load: [str(BUILT / name), *flags(load)], own_result


# A client: its command for a load, or None if it cannot do it, and how to read what it prints.
CLIENTS = {
    "ours": built("ours"),
    "franz-go": built("franz-go"),
    "confluent-kafka": built("confluent-kafka"),
    "rdkafka threaded": built("rdkafka-threaded"),
    "rdkafka future": built("rdkafka-future"),
    "krafka": built("krafka"),
    "rskafka": built("rskafka"),
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


def peak_resident_kib(pid):
    """The most that a running process has had in memory; nothing once it has ended. The `ru_maxrss` that `wait4` tells
    is no less than that of the process that started it."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(found[1]) if found else None


def run(client, load):
    """One run: what the client says, and what its process took. None if it cannot do this load."""
    command, read = CLIENTS[client]
    arguments = command(load)
    if arguments is None:
        return None
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(arguments, stdout=out, stderr=err)
        deadline, status, peak_kib = time.monotonic() + RUN_S, 0, 0
        while status == 0:
            peak_kib = peak_resident_kib(process.pid) or peak_kib
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
    return {**result, "cpu_s_per_million": cpu_s / load["records"] * 1e6, "peak_mib": peak_kib / 1024}


def cells(scale):
    """The loads: value size, codec, keys and batch size at full speed, then all of them at a fixed rate."""
    for rate, size, codec, keys in itertools.product([0, RATE], [100, 1_000], ["none", "lz4"], [0, KEYS]):
        at_full_speed = 3_000_000 if size == 100 else 600_000
        records = RATE * RATE_RUN_S if rate else int(at_full_speed * scale)
        batch = 16_384 if size == 100 else 262_144
        yield {"bytes": size, "codec": codec, "keys": keys, "batch": batch, "records": records, "rate": rate}


def median(found):
    """The run in the middle by CPU time."""
    return sorted(found, key=lambda result: result["cpu_s_per_million"])[len(found) // 2]


def table(load, rounds):
    keys = f"{load['keys']:,} keys" if load["keys"] else "no keys"
    speed = f"{load['rate']:,} records/s" if load["rate"] else "full speed"
    lines = [f"#### {load['bytes']:,} B, {keys}, {load['codec']}, batch.size {load['batch']:,}, {speed}", "",
             f"| client | records/s | CPU s per million | of {BASELINE}'s | peak MiB | p50 ms | p99 ms |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    baseline = rounds.get(BASELINE)
    for client, found in rounds.items():
        if isinstance(found, str):
            lines.append(f"| {client} | {found} | | | | | |")
            continue
        middle = median(found)
        cpu = middle["cpu_s_per_million"]
        has_baseline = baseline and not isinstance(baseline, str)
        share = f"{cpu / median(baseline)['cpu_s_per_million']:.2f}" if has_baseline else ""
        latency = [f"{middle[name]:.1f}" if middle.get(name) is not None else "" for name in ("p50_ms", "p99_ms")]
        lines.append(f"| {client} | {middle['records'] / middle['elapsed_s']:,.0f} | {cpu:.2f} | {share} | "
                     f"{middle['peak_mib']:.0f} | {' | '.join(latency)} |")
    return "\n".join(lines) + "\n"


def measure(broker, load, clients, rounds):
    """The runs of each client, in turn, each round from the next one on; or why there are none."""
    found = {client: [] for client in clients}
    # The topic was just made: what its first records cost is nobody's.
    with contextlib.suppress(RuntimeError):
        run(clients[0], {**load, "records": load["records"] // 10, "rate": 0, "servers": broker.address})
    for number in range(rounds * len(clients)):
        turn, place = divmod(number, len(clients))
        client = clients[(turn + place) % len(clients)]
        if isinstance(found[client], str):
            continue
        try:
            result = run(client, {**load, "servers": broker.address})
        except RuntimeError as failure:
            print(f"{client}: {failure}", file=sys.stderr)
            found[client] = "failed"
            continue
        if result is None:
            found[client] = "cannot"
        else:
            found[client].append(result)
    return found


def version_of(package):
    """As locked for the comparison."""
    lock = (ROOT / "benches-peers/Cargo.lock").read_text()
    return re.search(f'name = "{package}"\nversion = "([^"]+)"', lock)[1]


def versions():
    go_mod = (ROOT / "benches-peers/producers/franz-go/go.mod").read_text()
    go = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True).stdout.strip()
    librdkafka = version_of("rdkafka-sys").split("+")[1]
    return (f"franz-go {re.search('franz-go v([0-9.]+)', go_mod)[1]} ({go}), "
            f"confluent-kafka {version_of('confluent-kafka')} (Rust), "
            f"rdkafka {version_of('rdkafka')} (librdkafka {librdkafka}), krafka {version_of('krafka')}, "
            f"rskafka {version_of('rskafka')}, Java's client {kafka.VERSION}")


def machine():
    name = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) / 1024 / 1024
    return f"{os.cpu_count()} virtual cores of {name[1] if name else 'an unknown processor'}, {memory:.0f} GiB"


def section(given, load_before, tables):
    arguments = shlex.join(sys.argv[1:])
    name = {"null": "The null broker", "kafka": f"Apache Kafka {kafka.VERSION}, one node"}[given.broker]
    return f"""### {name}

{datetime.date.today().isoformat()}, commit {commit(*SOURCES)}, load {load_before:.1f} before the run, medians of {given.rounds}
rounds, {PARTITIONS} partitions, {int(3_000_000 * given.scale):,} records of 100 B and {int(600_000 * given.scale):,} of
1,000 B a run at full speed, {RATE * RATE_RUN_S:,} at {RATE:,} a second.

```text
benches-peers/producers/compare.py {arguments}
```

""" + "\n".join(tables)


def allocations_section(printed):
    """The section of what `benches/allocations.rs` printed."""
    table = "\n".join(line for line in printed.splitlines() if line.startswith("|"))
    return f"""### Allocations of this repository's producer

{datetime.date.today().isoformat()}, commit {commit(*SOURCES)}. Of the client's whole process, reallocations included, by record:
1,000,000 records to the null broker after 200,000 that warm up. With 16,384 bytes a batch holds some 145 records of
100 B or 16 of 1,000 B; what is allocated is allocated by batch and by request.

```text
cargo bench --manifest-path benches-peers/Cargo.toml --bench allocations > allocations.txt
benches-peers/producers/compare.py --allocations allocations.txt --page docs/producer-benchmarks.md
```

{table}
"""


def write_page(path, broker, text):
    """Puts a section into the page, which begins with the text of page.md.in."""
    words = pathlib.Path(__file__).with_name("page.md.in").read_text()
    head = words.format(versions=versions(), machine=machine(), rate=RATE)
    old = path.read_text() if path.exists() else ""
    kept = {}
    for name in ("null", "kafka", "allocations"):
        match = re.search(f"<!-- {name} -->\n(.*?)<!-- end of {name} -->\n", old, re.DOTALL)
        kept[name] = match[1] if match else ""
    kept[broker] = text
    sections = [f"<!-- {name} -->\n{text}<!-- end of {name} -->\n" for name, text in kept.items() if text]
    path.write_text(head + "\n" + "\n".join(sections))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--broker", choices=["null", "kafka"], default="null")
    arguments.add_argument("--clients", default=",".join(CLIENTS), help="separated by commas")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--scale", type=float, default=1.0, help="times as many records at full speed")
    arguments.add_argument("--page", type=pathlib.Path, help="a Markdown file for the tables")
    arguments.add_argument("--allocations", type=pathlib.Path,
                           help="put what the bench of that name printed into the page, and run nothing")
    given = arguments.parse_args()
    if given.allocations and not given.page:
        arguments.error("--allocations needs a --page")
    if given.allocations:
        write_page(given.page, "allocations", allocations_section(given.allocations.read_text()))
        return
    clients, load_before, tables = given.clients.split(","), os.getloadavg()[0], []
    with (NullBroker() if given.broker == "null" else kafka.Kafka()) as broker:
        for number, load in enumerate(cells(given.scale)):
            topic = f"compared-{number}"
            broker.create_topic(topic, PARTITIONS)
            found = measure(broker, {**load, "topic": topic}, clients, given.rounds)
            broker.delete_topic(topic)
            tables.append(table(load, found))
            print(tables[-1], flush=True)
    if given.page:
        write_page(given.page, given.broker, section(given, load_before, tables))


if __name__ == "__main__":
    main()
