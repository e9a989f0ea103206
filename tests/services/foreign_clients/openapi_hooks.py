"""Changes schemathesis's requests where JSON Schema cannot say which of them are read."""

import schemathesis

# Below it each whole number is one of a double.
EXACT = 2**53


@schemathesis.hook
def map_body(_context, body):
    """1.0 becomes 1: to JSON Schema they are one number, and as a flag only the second is read, as by Jackson."""
    return whole(body)


def whole(value):
    match value:
        case float() if value.is_integer() and abs(value) < EXACT:
            return int(value)
        case list():
            return [whole(item) for item in value]
        case dict():
            return {name: whole(item) for name, item in value.items()}
    return value
