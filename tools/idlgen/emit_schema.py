"""<module>_schema.cc: JSON Schema 2020-12."""

import json

from emit_json import bounds

INTS = {"i8": (-128, 127), "byte": (-128, 127), "i16": (-32768, 32767)}


def base_schema(t):
    if t.kind == "struct":
        return {"$ref": f"#/components/schemas/{t.name}"}
    if t.kind in ("list", "set"):
        return {"type": "array", "items": base_schema(t.args[0])}
    if t.kind == "map":
        return {"type": "object", "additionalProperties": base_schema(t.args[1])}
    if t.kind == "id":
        return {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**53 - 1}
    if t.kind in ("i32", "i64"):
        return {"type": "integer", "format": "int32" if t.kind == "i32" else "int64"}
    if t.kind in INTS:
        return {"type": "integer", "minimum": INTS[t.kind][0], "maximum": INTS[t.kind][1]}
    return {"bool": {"type": "boolean"}, "double": {"type": "number"}}.get(t.kind, {"type": "string"})


def field_schema(s, f):
    out = base_schema(f.type)
    notes, where = f.notes, f"{s.module}.{s.name}.{f.name}"
    text = []
    if f.doc:
        text.append(" ".join(f.doc.split()))
    low_name, high_name = ("minItems", "maxItems") if f.type.kind in ("list", "set", "map") else ("minLength", "maxLength")
    if "must" in notes and f.type.kind == "string":
        out["minLength"] = 1
    if "must" in notes and f.type.kind == "id":
        out["minimum"] = 1
    for note, names in (("len", (low_name, high_name)), ("range", ("minimum", "maximum"))):
        if note in notes:
            out.update({n: b for n, b in zip(names, bounds(notes[note], where)) if b is not None})
    if "bytes" in notes:
        low, high = bounds(notes["bytes"], where)
        if high is not None:
            out["maxLength"] = high
        text.append(f"{notes['bytes']} bytes of UTF-8.")
    if "cap" in notes:
        text.append(f"More than {notes['cap']} counts as {notes['cap']}.")
    if "pattern" in notes:
        out["pattern"] = f"^(?:{notes['pattern']})$"
    if "one_of" in notes:
        out["enum"] = notes["one_of"].split("|")
    if f.default is not None:
        out["default"] = json.loads(f.default)
    if text:
        out["description"] = " ".join(text)
    return out


def struct_schema(s):
    fields = s.json_fields()
    out = {"type": "object"}
    if s.doc:
        out["description"] = " ".join(s.doc.split())
    out["properties"] = {s.json_name(f): field_schema(s, f) for f in fields}
    required = [s.json_name(f) for f in fields if ("must" in f.notes if s.name.endswith("Req") else s.always_printed(f))]
    if required:
        out["required"] = required
    return out


def raw(value):
    return 'R"~~(' + json.dumps(value, ensure_ascii=False, separators=(",", ":")) + ')~~"'


def schema_code(m, parser):
    out = [f'#include "idl/{m.name}.h"', "", "#include <array>", "", "namespace sv {", ""]
    for s in m.structs:
        full = f"SchemaOf<{m.namespace}::{s.name}>"
        out.append(f"constinit const std::string_view {full}::json = {raw(struct_schema(s))};")
        fields = [f for f in s.json_fields() if f.type.kind not in ("struct", "map")] if s.name.endswith("Req") else []
        if not fields:
            out.append(f"constinit const std::span<const ParamSchema> {full}::params{{}};")
            continue
        name = f"k{m.name.capitalize()}{s.name}Params"
        out.append(f"static constexpr std::array<ParamSchema, {len(fields)}> {name}{{")
        for f in fields:
            out.append(f"    ParamSchema{{\"{s.json_name(f)}\", {raw(field_schema(s, f))}, {'true' if 'must' in f.notes else 'false'}}},")
        out += ["};", f"constinit const std::span<const ParamSchema> {full}::params{{{name}}};"]
    out += ["", "}  // namespace sv", "", f"namespace {m.namespace} {{", "", f"std::span<const NamedSchema> {m.name}_schemas() {{"]
    if m.structs:
        out.append("  static const std::array all{")
        out += [f"      NamedSchema{{SchemaOf<{s.name}>::name, SchemaOf<{s.name}>::json}}," for s in m.structs]
        out += ["  };", "  return all;"]
    else:
        out.append("  return {};")
    return out + ["}", "", f"}}  // namespace {m.namespace}"]
