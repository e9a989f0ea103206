"""Lets schemathesis make requests from the registry's OpenAPI document and judge the answers by it.

Arguments: URL of an empty registry, and how many random requests each operation gets. Prints what was done.

Two of its checks do not fit an API that reads bodies as leniently as Confluent's clients rely on, and that refuses
well-formed texts which are no schemas: negative_data_rejection and positive_data_acceptance.
"""

import json
import pathlib
import re
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

# In the third run each register works, so that links from answers to further requests are followed.
LINKED = f"""
[parameters]
"path.subject" = "{SUBJECT}"
"body.schema" = '"string"'
"""

# Of the links that schemathesis finds between operations, so many at least are followed in the third run.
LINKS_MIN = 5


def register(schema):
    request = urllib.request.Request(
        f"{URL}/subjects/{SUBJECT}/versions",
        data=json.dumps({"schema": json.dumps(schema)}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def run(name, config, *arguments):
    """Runs schemathesis; its output, and how many operations it has made requests to, of how many."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        path = folder / "schemathesis.toml"
        path.write_text(config)
        command = [
            str(pathlib.Path(sys.executable).with_name("schemathesis")), "--config-file", str(path),
            "run", f"{URL}/openapi.json", "--checks", "all", "--exclude-checks", EXCLUDED,
            "--max-examples", EXAMPLES, "--seed", "1", "--continue-on-failure", "--warnings", "off",
            "--suppress-health-check", "all", "--no-color",
            "--report", "json", "--report-json-path", str(folder / "report.json"), *arguments,
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        print(done.stdout[-6000:])
        if done.returncode != 0:
            print(done.stderr[-2000:], file=sys.stderr)
            sys.exit(f"schemathesis found violations: {name}")
        operations = json.loads((folder / "report.json").read_text())["operations"]
    return done.stdout, operations["tested"], operations["total"]


def described():
    """How many operations the document describes, without that which schemathesis leaves aside: the document itself."""
    with urllib.request.urlopen(f"{URL}/openapi.json", timeout=30) as answer:
        paths = json.load(answer)["paths"]
    return sum(len(methods) for path, methods in paths.items() if path != "/openapi.json")


def run_on_all(name, config, *arguments):
    _, tested, total = run(name, config, *arguments)
    if not tested == total == described():
        sys.exit(f"{name}: only {tested} of {total} operations were asked, and {described()} are described")


run_on_all("names that nothing has", "", "--phases", "coverage,fuzzing")
assert register({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]})["version"] == 1
run_on_all("a subject that is there", PARAMETERS, "--phases", "fuzzing", "--mode", "positive")
output, _, _ = run("requests made of answers", LINKED, "--phases", "stateful", "--mode", "positive")
links = re.search(r"API Links: +([0-9]+) covered", output)
if links is None or int(links[1]) < LINKS_MIN:
    sys.exit(f"links that were followed: {links and links[1]}, expected {LINKS_MIN} at least")
