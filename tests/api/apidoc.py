"""/openapi.json as the scenarios need it: its operations, their inputs, and a check of values against its schemas."""

import os
import random
import re

ID_NAME, LARGEST_ID = re.compile(r"^(.*_)?id$"), 2**53 - 1
# All that the document uses; a schema with another word fails the check instead of passing it.
KNOWN = {"type", "format", "properties", "required", "items", "enum", "const", "minimum", "maximum", "minLength", "maxLength", "maxItems", "minItems",
         "pattern", "additionalProperties", "allOf", "$ref", "description", "default", "contentMediaType"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": (int, float), "number": (int, float)}
FORMATS = {"int32": 2**31, "int64": 2**63}


def seeded(name="SV_SEED"):
    """The seed of this run, from the environment when it repeats an earlier one."""
    seed = int(os.environ.get(name) or random.SystemRandom().randrange(2**32))
    print(f"{name}={seed}")
    return seed


class Operation:
    def __init__(self, method, path, spec, document):
        self.method, self.path, self.spec, self.document = method.upper(), path, spec, document
        self.name = f"{self.method} {path}"
        self.signed_in = spec["security"] != [] and {} not in spec["security"]
        self.public = spec["security"] == []
        self.parameters = spec["parameters"]
        content = spec.get("requestBody", {}).get("content", {})
        self.body_type = next(iter(content), None)
        self.body = document.merged(content[self.body_type]["schema"]) if content else None

    def inputs(self):
        """(where, name, schema, required) of each: where is path, query, header or body."""
        for p in self.parameters:
            yield p["in"], p["name"], p["schema"], p["required"]
        if self.body:
            for name, schema in self.body.get("properties", {}).items():
                yield "body", name, schema, name in self.body.get("required", ())

    def ids(self):
        """Inputs that name a thing: by their name, by their bounds, or as a path below /media."""
        return {name for where, name, schema, _ in self.inputs() if ID_NAME.match(name) or schema.get("maximum") == LARGEST_ID or (where,
                                                                                                                                   name) == ("path",
                                                                                                                                             "path")}

    def answer(self, status, content_type):
        """The schema of an answer; None when the document leaves its form open."""
        response = self.spec["responses"].get(str(status)) or self.spec["responses"].get("default")
        assert response, f"{self.name}: {status} is not in the document"
        content = response.get("content")
        if not content or "*/*" in content:
            return None
        assert content_type in content, f"{self.name}: {content_type} is not in the document for {status}"
        return content[content_type]["schema"]


class Document:
    def __init__(self, document):
        self.document = document
        self.operations = [Operation(method, path, spec, self) for path, methods in document["paths"].items() for method, spec in methods.items()]

    def resolve(self, schema):
        while "$ref" in schema:
            at = self.document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                at = at[step]
            schema = at
        return schema

    def merged(self, schema):
        """An object's schema with what allOf brings in."""
        schema = self.resolve(schema)
        if "allOf" not in schema:
            return schema
        out = {"type": "object", "properties": {}, "required": []}
        for part in map(self.merged, schema["allOf"]):
            out["properties"].update(part.get("properties", {}))
            out["required"] += part.get("required", [])
        return out

    def problems(self, schema, value, at="$"):
        """What is wrong with a value, empty when nothing is."""
        schema = self.resolve(schema)
        unknown = schema.keys() - KNOWN
        assert not unknown, f"the check does not know {unknown} (at {at})"
        kind = schema.get("type")
        if kind and (not isinstance(value, TYPES[kind]) or isinstance(value, bool) and kind != "boolean"):
            return [f"{at}: {value!r:.60} is not of type {kind}"]
        out = [p for part in schema.get("allOf", ()) for p in self.problems(part, value, at)]
        if kind == "integer":
            limit = FORMATS.get(schema.get("format"), 2**63)
            capped = "counts as" in schema.get("description", "")
            if value != value or value in (float("inf"), float("-inf")) or value != int(value):
                return [f"{at}: {value!r} is not whole"]
            if value < -limit or value >= limit and not capped:
                out.append(f"{at}: {value} is too large for its format")
        if "minimum" in schema and value < schema["minimum"] or "maximum" in schema and value > schema["maximum"]:
            out.append(f"{at}: {value} is out of range")
        if "enum" in schema and value not in schema["enum"] or "const" in schema and value != schema["const"]:
            out.append(f"{at}: {value!r:.60} is not among the values")
        if isinstance(value, str):
            if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
                out.append(f"{at}: a text of {len(value)} characters")
            if "pattern" in schema and not re.search(schema["pattern"], value):
                out.append(f"{at}: {value!r:.60} does not match")
        if isinstance(value, list):
            if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
                out.append(f"{at}: {len(value)} items")
            for i, item in enumerate(value):
                out += self.problems(schema.get("items", {}), item, f"{at}[{i}]")
        if isinstance(value, dict):
            properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
            out += [f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value]
            for name, item in value.items():
                if name in properties:
                    out += self.problems(properties[name], item, f"{at}.{name}")
                elif rest:
                    out += self.problems(rest, item, f"{at}.{name}")
        return out

    def undescribed(self, schema, value, at="$"):
        """Fields of an answer that its schema does not name: described or forgotten, clients see them."""
        schema = self.resolve(schema)
        out = []
        if isinstance(value, dict) and "properties" in schema:
            properties = schema["properties"]
            for name, item in value.items():
                if name in properties:
                    out += self.undescribed(properties[name], item, f"{at}.{name}")
                elif not schema.get("additionalProperties"):
                    out.append(f"{at}.{name} is not in the document")
        elif isinstance(value, list):
            for item in value:
                out += self.undescribed(schema.get("items", {}), item, f"{at}[]")
        return out
