"""Unpacks the public vectors of sender authentication and turns their YAML into JSON.

Usage: vectors.py ARCHIVE DIRECTORY. Writes DIRECTORY/{spf,spf4408,arc,rspamd}.json beside what the archive has. In
texts every letter is one octet.
"""

import json
import pathlib
import re
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


def fake_dns(text):
    """The records of a configuration: [name, type, code, replies]."""
    found = []
    for body in re.findall(r"\{[^{}]*?name\s*=[^{}]*\}", re.sub(r"(?m)#.*$", "", text)):
        def value(key, body=body):
            match = re.search(rf"\b{key}\s*=\s*['\"]?([^'\",;\s]+)", body)
            return match and match.group(1)
        replies = re.search(r"replies\s*=\s*\[(.*?)\]", body, re.S)
        replies = re.findall(r'"((?:[^"\\]|\\.)*)"', replies.group(1)) if replies else []
        if value("name") and value("type"):
            found.append([value("name"), value("type"), value("rcode"), replies])
    return found


def robot(text):
    """Scans with what is expected of them: {name, file, IP, From, Helo, expected, unexpected}."""
    found, name, scan = [], None, None
    for line in text.splitlines():
        words = re.split(r"\s{2,}", line.strip())
        if line[:1].strip() and not line.startswith(("*", "#")):
            name = line.strip()
        elif words[0] == "Scan File":
            scan = {"name": name, "file": words[1].rsplit("/", 1)[-1], "expected": [], "unexpected": []}
            found.append(scan)
        elif words[0] == "..." and scan:
            scan.update(word.split("=", 1) for word in words[1:] if re.match(r"(IP|From|Helo)=", word))
        elif words[0].startswith("Expect Symbol") and scan:
            scan["expected"].append(words[1])
        elif words[0].startswith("Do Not Expect Symbol") and scan:
            scan["unexpected"].append(words[1])
    return found


def rspamd(directory):
    """The functional tests that are about authentication alone, with their table of DNS."""
    base = pathlib.Path(directory) / "rspamd-auth"
    functional = base / "test" / "functional"
    scans = [scan for file in sorted(functional.glob("cases/**/*.robot")) for scan in robot(file.read_text())]
    records = [r for file in sorted(functional.glob("configs/*.conf")) for r in fake_dns(file.read_text())]
    files = {path.name: str(path.relative_to(directory)) for path in base.rglob("*.eml")}
    return {"records": records, "scans": [scan for scan in scans if scan["file"] in files], "files": files}


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
    with open(f"{directory}/rspamd.json", "w", encoding="utf-8") as file:
        json.dump([octets(rspamd(directory))], file)


if __name__ == "__main__":
    main(*sys.argv[1:3])
