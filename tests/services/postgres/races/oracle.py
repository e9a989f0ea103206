"""Judges compatibility with Apache's own Avro library: may this schema follow that one at this level?

Argument: a file with a JSON object per line: the `level`, the texts of the `latest` schema and of the new `schema`,
and whether a registry has taken it (`is_taken`). Prints a line for each that it sees otherwise, then their number and
that of all.
"""

import json
import sys
from functools import lru_cache

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

parsed = lru_cache(maxsize=1000)(parse)


@lru_cache(maxsize=1000)
def reads(reader, writer):
    result = ReaderWriterCompatibilityChecker().get_compatibility(parsed(reader), parsed(writer))
    return result.compatibility is SchemaCompatibilityType.compatible


def may_follow(level, latest, schema):
    return level == "NONE" or (reads(schema, latest) and reads(latest, schema))


judged = refuted = 0
with open(sys.argv[1], encoding="utf-8") as lines:
    for line in lines:
        case = json.loads(line)
        judged += 1
        if may_follow(case["level"], case["latest"], case["schema"]) != case["is_taken"]:
            refuted += 1
            print(line.strip())
print(f"{refuted} of {judged}")
