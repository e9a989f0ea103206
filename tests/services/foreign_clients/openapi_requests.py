"""Lets schemathesis make requests from the registry's OpenAPI document and judge the answers by it.

Arguments: URL of an empty registry, and how many random requests each operation gets. Prints what was done.

Two of its checks do not fit an API that reads bodies as leniently as Confluent's clients rely on, and that refuses
well-formed texts which are no schemas: negative_data_rejection and positive_data_acceptance.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

URL, EXAMPLES = sys.argv[1:]
EXCLUDED = "negative_data_rejection,positive_data_acceptance"

# What is there in the second run, where requests name it.
SUBJECT = "orders-value"
PARAMETERS = f"""
[parameters]
"path.subject" = "{SUBJECT}"
"path.version" = "1"
"path.id" = 1
"""


def register(schema):
    request = urllib.request.Request(
        f"{URL}/subjects/{SUBJECT}/versions",
        data=json.dumps({"schema": json.dumps(schema)}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def run(name, config, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "schemathesis.toml"
        path.write_text(config)
        command = [
            str(pathlib.Path(sys.executable).with_name("schemathesis")), "--config-file", str(path),
            "run", f"{URL}/openapi.json", "--checks", "all", "--exclude-checks", EXCLUDED,
            "--max-examples", EXAMPLES, "--seed", "1", "--continue-on-failure", "--warnings", "off",
            "--suppress-health-check", "all", "--no-color", *arguments,
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    print(done.stdout[-6000:])
    if done.returncode != 0:
        print(done.stderr[-2000:], file=sys.stderr)
        sys.exit(f"schemathesis found violations: {name}")


run("names that nothing has", "", "--phases", "coverage,fuzzing")
assert register({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]})["version"] == 1
run("a subject that is there", PARAMETERS, "--phases", "fuzzing", "--mode", "positive")
