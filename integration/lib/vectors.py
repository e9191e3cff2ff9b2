"""Unpacks the public vectors of sender authentication and turns their YAML into JSON.

Usage: vectors.py ARCHIVE DIRECTORY. Writes DIRECTORY/{spf,spf4408,arc}.json beside what the archive has.
Strings are written as lists of octets where they have octets that JSON has no letter for.
"""

import json
import sys
import tarfile

import yaml


def octets(value):
    """Texts as Latin-1 where they are that, so that an octet is one letter."""
    if isinstance(value, dict):
        return {str(k): octets(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [octets(v) for v in value]
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str) and any(ord(c) > 255 for c in value):
        return value.encode("utf-8").decode("latin-1")
    return value


def main(archive, directory):
    with tarfile.open(archive) as tar:
        tar.extractall(directory, filter="data")
    sources = {
        "spf": "spf/rfc7208-tests.yml",
        "spf4408": "spf/rfc4408-tests.yml",
        "arc": "arc/arc-draft-validation-tests.yml",
    }
    for name, source in sources.items():
        with open(f"{directory}/{source}", encoding="utf-8") as file:
            documents = [d for d in yaml.safe_load_all(file) if d]
        with open(f"{directory}/{name}.json", "w", encoding="utf-8") as file:
            json.dump(octets(documents), file)


if __name__ == "__main__":
    main(*sys.argv[1:3])
