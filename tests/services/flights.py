"""The flights of a CSV file as Python values, shared by the scripts that write and read them."""

import csv
from datetime import datetime

TEXTS = {"carrier", "tailnum", "origin", "dest"}


def rows(path):
    """Yields each row as the record that `flight.avsc` describes, decoded."""
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield {name: value_of(name, text) for name, text in row.items()}


def value_of(name, text):
    if text == "NA":
        return None
    if name in TEXTS:
        return text
    if name == "time_hour":
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(text)
