"""Judges compatibility with Apache's own Avro library: may this schema follow those at this level?

Argument: a file with a JSON object per line: the `level`, the texts of the `earlier` schemas that it has compared and
of the new `schema`, and whether a registry has taken it (`is_taken`). Prints a line for each that it sees otherwise,
then their number and that of all.
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


def may_follow(level, earlier, schema):
    return level == "NONE" or all(reads(schema, each) and reads(each, schema) for each in earlier)


judged = refuted = 0
with open(sys.argv[1], encoding="utf-8") as lines:
    for line in lines:
        case = json.loads(line)
        judged += 1
        if may_follow(case["level"], case["earlier"], case["schema"]) != case["is_taken"]:
            refuted += 1
            print(line.strip())
print(f"{refuted} of {judged}")
