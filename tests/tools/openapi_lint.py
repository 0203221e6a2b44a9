#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks openapi.yaml: that it is sound in itself, and that it uses the words of the C sources.

  * every schema is a valid JSON Schema (draft 2020-12), every $ref leads somewhere
  * every operation has an operationId of its own, a summary, responses and problem codes whose status is
    documented; every example fits its schema
  * a schema with `x-words: FILE MACRO [-word]` lists exactly the words of that X-macro
  * each error code's status is that of api/problem.c
  * api/routes.c has the same methods, paths, operationIds and query names

Run at the top of the checkout. Prints what is wrong, one line each; exit status 1 when something is."""
import os
import re
import subprocess
import sys

import jsonschema
import yaml

METHODS = ("get", "put", "post", "patch", "delete")
PROBLEM_TABLE = "api/problem.c"
ROUTES = "api/routes.c"
trouble = []


def complain(text):
    trouble.append(text)


def resolve(document, reference):
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def walk(node, where=""):
    yield where, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, f"{where}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, f"{where}/{index}")


def check_references(document):
    for where, node in walk(document):
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            try:
                resolve(document, node["$ref"])
            except (KeyError, TypeError):
                complain(f"{where}: {node['$ref']} leads nowhere")


def validator(document, schema):
    resolver = jsonschema.RefResolver("", document)
    return jsonschema.Draft202012Validator(schema, resolver=resolver)


def check_schemas(document):
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            complain(f"schema {name}: {error.message}")
    used = {node["$ref"] for _, node in walk(document) if isinstance(node, dict) and "$ref" in node}
    for name in schemas:
        if f"#/components/schemas/{name}" not in used:
            complain(f"schema {name} is used nowhere")
    for name, schema in schemas.items():
        if schema.get("type") == "object" and "properties" in schema:
            if "additionalProperties" not in schema:
                complain(f"schema {name} does not say additionalProperties")
            for field in schema.get("required", []):
                if field not in schema["properties"]:
                    complain(f"schema {name} requires {field}, which it does not describe")


def check_examples(document, where, content):
    for media_type, body in content.items():
        examples = [body["example"]] if "example" in body else []
        examples += [example["value"] for example in body.get("examples", {}).values()]
        if not examples:
            complain(f"{where} {media_type}: no example")
        for example in examples:
            for error in validator(document, body["schema"]).iter_errors(example):
                path = "/".join(map(str, error.absolute_path))
                complain(f"{where} {media_type}: example at /{path}: {error.message}")


def check_bodies(document):
    for kind in ("responses", "requestBodies"):
        for name, body in document["components"][kind].items():
            check_examples(document, f"{kind} {name}", body.get("content", {}))


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def problem_statuses():
    """{code: status} from the table of api/problem.c, by way of the words in error.h."""
    words = dict(re.findall(r'X\((\w+),\s*"([^"]+)"\)', open("server/base/error.h").read()))
    rows = re.findall(r"\[ERROR_(\w+)\] = \{(\d+),", open(PROBLEM_TABLE).read())
    return {words[name]: int(status) for name, status in rows if name in words}


def check_operations(document, statuses):
    seen = set()
    codes = set(resolve(document, "#/components/schemas/ErrorCode")["enum"])
    common = document["x-common-problem-codes"]
    for code in common:
        if code not in codes:
            complain(f"x-common-problem-codes: {code} is no error code")
    for method, path, operation in operations(document):
        name = operation.get("operationId")
        where = f"{method.upper()} {path}"
        if not name or name in seen:
            complain(f"{where}: operationId missing or used twice")
        seen.add(name)
        if not operation.get("summary") or not operation.get("responses"):
            complain(f"{where}: no summary or no responses")
        if not any(status.startswith("2") for status in operation["responses"]):
            complain(f"{where}: no success documented")
        documented = {status for status in operation["responses"] if status.isdigit()}
        wanted = set()
        for code in operation.get("x-problem-codes", []):
            if code not in codes:
                complain(f"{where}: {code} is no error code")
            wanted.add(str(statuses.get(code)))
        for status in wanted - documented:
            complain(f"{where}: a problem code has status {status}, which is not documented")
        for status in documented - wanted:
            if status >= "400" and status != "503":
                complain(f"{where}: no problem code has status {status}")


def macro_words(file, macro):
    source = open(file).read()
    found = re.search(r"#define %s\(X\)((?:.*\\\n)*.*)" % macro, source)
    if not found:
        return None
    return re.findall(r'X\(\w+,\s*"([^"]+)"\)', found.group(1))


def check_words(document):
    for name, schema in document["components"]["schemas"].items():
        if "x-words" not in schema:
            continue
        file, macro, *dropped = schema["x-words"].split()
        words = macro_words(file, macro)
        if words is None:
            complain(f"schema {name}: {file} has no {macro}")
            continue
        wanted = [word for word in words if "-" + word not in dropped]
        for word in wanted:
            if word not in schema["enum"]:
                complain(f"schema {name} lacks {word} of {macro}")
        for word in schema["enum"]:
            if word not in wanted:
                complain(f"schema {name} has {word}, which {macro} has not")


def query_names(document, operation):
    names = set()
    for parameter in operation.get("parameters", []):
        parameter = resolve(document, parameter["$ref"]) if "$ref" in parameter else parameter
        if parameter["in"] == "query":
            names.add("tag." if parameter["name"].startswith("tag.") else parameter["name"])
    return names


def check_routes(document):
    if not os.path.exists(ROUTES):
        print(f"{ROUTES} is not there: routes were not compared")
        return
    compiler = os.environ.get("CC", "cc").split()
    source = subprocess.run(compiler + ["-E", "-P", "-D_GNU_SOURCE", "-Iserver", "-I.", ROUTES],
                            capture_output=True, text=True, check=True).stdout
    table = re.sub(r'"\s*"', "", source[source.index("routes[] = {"):])
    rows = {}
    for row in re.findall(r"\{([^{}]*?\.operation[^{}]*)\}", table.replace("{id}", "<id>").replace(
            "{n}", "<n>").replace("{m}", "<m>").replace("{name}", "<name>")):
        fields = dict(re.findall(r'\.(\w+)\s*=\s*"?([^",]*)"?', row))
        path = fields["pattern"].replace("<", "{").replace(">", "}")
        names = fields.get("query", "").split() if '.query = "' in row else []
        rows[(fields["method"].removeprefix("METHOD_").lower(), path)] = (fields["operation"], set(names))
    for method, path, operation in operations(document):
        if (method, path) not in rows:
            complain(f"{ROUTES} lacks {method.upper()} {path}")
            continue
        name, query = rows.pop((method, path))
        query = {"tag." if part.startswith("tag") else part for part in query}
        if name != operation["operationId"]:
            complain(f"{method.upper()} {path}: {name} in {ROUTES}, {operation['operationId']} here")
        wanted = query_names(document, operation)
        if query != wanted:
            complain(f"{method.upper()} {path}: query {sorted(query)} in {ROUTES}, {sorted(wanted)} here")
    for method, path in rows:
        complain(f"{ROUTES} has {method.upper()} {path}, which is not described")


def main():
    document = yaml.safe_load(open("openapi.yaml"))
    if not str(document.get("openapi", "")).startswith("3.1"):
        complain("this is not OpenAPI 3.1")
    check_references(document)
    if not trouble:
        statuses = problem_statuses()
        check_schemas(document)
        check_bodies(document)
        check_operations(document, statuses)
        check_words(document)
        check_routes(document)
    for line in trouble:
        print(f"openapi.yaml: {line}")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
