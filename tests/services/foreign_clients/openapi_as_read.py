"""The registry's OpenAPI document with all that the registry reads.

Confluent's server reads more than it needs (Jackson in bodies, JAX-RS in parameters), and its clients rely on that. The
document tells of it in words where its schemas cannot without harm, and here the words are schemas:

- A flag in a query takes any text. A client made from the document would get a text in place of a flag.
- In the body of a request a number, a text and a flag are read as each other, a fraction as the number before its
  point, and the text `null` as no number and no flag. Clients would get a choice of types for every member.
- There `null` counts as absent also where a member that is a list or a map is described. Most of these types are those
  of answers, too, where `null` never stands: clients would have to look for it, and no answer with one would be found.
- There what stands twice in a set counts once. The sets of answers are sets.
"""

import copy

COMPONENTS = "#/components/schemas/"

# Stands before the names of schemas for requests. Answers have those that are described.
READ = "Read."

# A fraction is cut off. Nine digits are as many as always fit.
INTEGER = {
    "anyOf": [
        {"type": "number", "minimum": -(2**31), "maximum": 2**31 - 1},
        {"type": "string", "pattern": "^ *([+-]?[0-9]{1,9}|null)? *$"},
    ]
}
BOOLEAN = {
    "anyOf": [
        {"type": "boolean"},
        {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1},
        {"type": "string", "pattern": "^ *(true|True|TRUE|false|False|FALSE|null)? *$"},
    ]
}
STRING = {"type": ["string", "number", "boolean"]}


def as_read(document):
    """A copy of the document that describes all that is read."""
    document = copy.deepcopy(document)
    schemas = document["components"]["schemas"]
    schemas.update({READ + name: value(schema) for name, schema in schemas.items()})
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "query":
                    widen(parameter["schema"])
            for described in operation.get("requestBody", {}).get("content", {}).values():
                described["schema"] = body(described["schema"])
    return document


def widen(schema):
    """A flag takes any text, all but `true` for false."""
    if schema["type"] == "boolean":
        schema["type"] = ["boolean", "string"]


def body(schema):
    """The body as a whole is of the type that is described, and never `null`."""
    if "oneOf" in schema:
        return {"oneOf": [body(one) for one in schema["oneOf"]]}
    return value(schema) if "$ref" in schema else schema


def value(schema):
    """What is there and no `null`: a scalar may be another, and objects and lists are not."""
    if "$ref" in schema:
        return {"$ref": COMPONENTS + READ + schema["$ref"].removeprefix(COMPONENTS)}
    if "enum" in schema:
        return schema
    types = schema.get("type", [])
    match [one for one in ([types] if isinstance(types, str) else types) if one != "null"]:
        case ["string"]:
            return STRING
        case ["integer"]:
            return INTEGER
        case ["boolean"]:
            return BOOLEAN
        case ["array"]:
            # What stands twice in a set counts once.
            return {"type": "array", "items": value(schema["items"])}
        case ["object"]:
            members = {"properties": {name: member(one) for name, one in schema.get("properties", {}).items()}}
            if isinstance(schema.get("additionalProperties"), dict):
                members["additionalProperties"] = value(schema["additionalProperties"])
            return {"type": "object", **members}
    return schema


def member(schema):
    """A member of an object: where it is `null` it counts as absent."""
    described = [one for one in schema.get("oneOf", [schema]) if one != {"type": "null"}]
    return {"anyOf": [*map(value, described), {"type": "null"}]}
