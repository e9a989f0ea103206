"""Lets schemathesis make requests from the registry's OpenAPI document and judge the answers by it.

Arguments: URL of an empty registry, and how many random requests each operation gets. Prints what was done.

What is no valid request has to be refused, but more is read than the document describes. So the first two runs are of
the document with all of that (`openapi_as_read`). The third is of the document as it is served, and there it may be
refused or not; the last one follows its links.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

from openapi_as_read import as_read

URL, EXAMPLES = sys.argv[1:]

# What is valid is read, and never a 400, 405, 413 or 415. It may name what is not there (404), or be against a promise
# (409) or a rule (422: no schema, no name that a subject can have).
# What is not valid is refused: a body or a name in a path (400), a number or a choice (404), a version (422).
CHECKS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "409", "422"]

[checks.negative_data_rejection]
expected-statuses = ["400", "404", "422"]
"""

# For what JSON Schema cannot tell apart.
HOOKS = f'hooks = "{pathlib.Path(__file__).with_name("openapi_hooks.py")}"'

# Takes part where all that is read is described.
REFUSAL = "negative_data_rejection"

# What is there in the second run, where requests name it.
SUBJECT = "orders-value"
PARAMETERS = f"""
[parameters]
"path.subject" = "{SUBJECT}"
"path.version" = "1"
"path.id" = 1
"""

# In the last run each register works, so that links from answers to further requests are followed. What is deleted
# softly is asked for as what is not there any more. Of the contexts that are listed, the default one has no path.
LINKED = f"""
[parameters]
"path.subject" = "{SUBJECT}"
"path.context" = ".team"
"body.schema" = '"string"'
"query.deleted" = false
"query.deletedOnly" = false
"""

# Of the links that schemathesis finds between operations, so many at least are followed.
LINKS_MIN = 5


def register(schema):
    request = urllib.request.Request(
        f"{URL}/subjects/{SUBJECT}/versions",
        data=json.dumps({"schema": json.dumps(schema)}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def run(name, document, config, *arguments):
    """Runs schemathesis; its output, and how many operations it has made requests to, of how many."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "openapi.json").write_text(json.dumps(document))
        path = folder / "schemathesis.toml"
        path.write_text(config + CHECKS)
        command = [
            str(pathlib.Path(sys.executable).with_name("schemathesis")), "--config-file", str(path),
            "run", str(folder / "openapi.json"), "--url", URL, "--checks", "all", "--max-examples", EXAMPLES,
            "--seed", "1", "--continue-on-failure", "--warnings", "off",
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


def run_on_all(name, document, config, *arguments):
    described = sum(len(methods) for methods in document["paths"].values())
    _, tested, total = run(name, document, config, *arguments)
    if not tested == total == described:
        sys.exit(f"{name}: only {tested} of {total} operations were asked, and {described} are described")


with urllib.request.urlopen(f"{URL}/openapi.json", timeout=30) as answer:
    served = json.load(answer)
read = as_read(served)
run_on_all("names that nothing has", read, HOOKS, "--phases", "coverage,fuzzing")
assert register({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]})["version"] == 1
run_on_all("a subject that is there", read, HOOKS + PARAMETERS, "--phases", "fuzzing")
run_on_all("as it is served", served, "", "--phases", "coverage,fuzzing", "--exclude-checks", REFUSAL)
# A number of an answer is taken for a bad one where a path wants a text of digits.
linked = ["--phases", "stateful", "--mode", "positive", "--exclude-checks", REFUSAL]
output, _, _ = run("requests made of answers", served, LINKED, *linked)
links = re.search(r"API Links: +([0-9]+) covered", output)
if links is None or int(links[1]) < LINKS_MIN:
    sys.exit(f"links that were followed: {links and links[1]}, expected {LINKS_MIN} at least")
