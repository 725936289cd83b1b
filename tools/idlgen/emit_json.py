"""<module>_json.cc: JSON out and in, with the bounds of the annotations."""

from parse_xml import IdlError, quote


def bounds(text, where):
    low, dots, high = text.partition("..")
    try:
        if dots != ".." or not (low or high):
            raise ValueError
        return (int(low) if low else None, int(high) if high else None)
    except ValueError:
        raise IdlError(f'{where}: bounds are "1..64", "1.." or "..64", not "{text}"') from None


def rule(s, f):
    where = f"{s.module}.{s.name}.{f.name}"
    parts = [f".name = {quote(s.json_name(f))}"]
    if "must" in f.notes:
        parts.append(".must = true")
    for note, low_name, high_name in (("len", "len_min", "len_max"), ("bytes", "bytes_min", "bytes_max"), ("range", "low", "high")):
        if note in f.notes:
            low, high = bounds(f.notes[note], where)
            if low is not None:
                parts.append(f".{low_name} = {low}")
            if high is not None:
                parts.append(f".{high_name} = {high}")
    if "cap" in f.notes:
        parts.append(f".cap = {int(f.notes['cap'])}")
    if "pattern" in f.notes:
        parts.append(f".pattern = {quote(f.notes['pattern'])}")
    if "one_of" in f.notes:
        parts.append(f".one_of = {quote(f.notes['one_of'])}")
    return "{" + ", ".join(parts) + "}"


def json_code(m, parser):
    out = [f'#include "idl/{m.name}.h"', '#include "platform/rpc/json_in.h"', '#include "platform/rpc/json_out.h"', "", f"namespace {m.namespace} {{", ""]
    for s in m.structs:
        fields = s.json_fields()
        out += write(s, fields) + read(s, fields) + [""]
    return out + [f"}}  // namespace {m.namespace}"]


def write(s, fields):
    if not fields:
        return [f'void write_json(json::Out& out, const {s.name}&) {{ out.raw("{{}}"); }}']
    # Every key is written with a comma before it; the first one is then turned into the brace.
    out = [f"void write_json(json::Out& out, const {s.name}& v) {{", "  const std::size_t start = out.size();"]
    for f in fields:
        value = f"v.{f.cpp}"
        name = f',"{s.json_name(f)}":'
        key = f"out.raw({quote(name)});"
        if not f.optional:
            out += [f"  {key}", f"  json::put(out, {value});"]
        elif s.always_printed(f):
            out += [f"  {key}"]
            if f.type.kind in ("struct", "list", "map", "set", "string"):
                out += [f"  if ({value}) json::put(out, *{value});", f"  else json::put(out, {f.type.cpp}{{}});"]
            else:
                out += [f"  json::put(out, {value}.value_or({f.type.cpp}{{}}));"]
        else:
            out += [f"  if ({value}) {{", f"    {key}", f"    json::put(out, *{value});", "  }"]
    if all(f.optional and not s.always_printed(f) for f in fields):
        out += ["  if (out.size() == start) out.raw(',');"]
    return out + ["  out[start] = '{';", "  out.raw('}');", "}"]


def read(s, fields):
    if not fields:
        return [f"void read_fields(json::In&, {s.name}&) {{}}"]
    out = [f"void read_fields(json::In& in, {s.name}& v) {{"]
    for f in fields:
        if f.optional and f.default:
            out.append(f"  v.{f.cpp} = {f.default};")
        out.append(f"  in.field({rule(s, f)}, v.{f.cpp});")
    return out + ["}"]
