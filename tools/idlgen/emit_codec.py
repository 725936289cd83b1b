"""<module>_codec.cc: Thrift binary."""

WIRE = {"bool": "kBool", "i8": "kI8", "byte": "kI8", "i16": "kI16", "i32": "kI32", "i64": "kI64", "id": "kI64", "double": "kDouble",
        "string": "kString", "binary": "kString", "struct": "kStruct", "map": "kMap", "set": "kSet", "list": "kList"}


def codec(m, parser):
    out = [f'#include "idl/{m.name}.h"', '#include "platform/rpc/thrift.h"', "", f"namespace {m.namespace} {{", ""]
    for s in m.structs:
        base_id = base_field(parser, s)
        extra = ", const sv::BaseResp& base" if base_id else ""
        used = s.fields or base_id
        out.append(f"void write_struct(std::string& out, const {s.name}&{' v' if s.fields else ''}{extra}) {{")
        for fid, line in sorted([(f.id, f"  rpc::write_field(out, {f.id}, v.{f.cpp});") for f in s.fields]
                                + ([(base_id, f"  rpc::write_field(out, {base_id}, base);")] if base_id else [])):
            out.append(line)
        out += ["  rpc::write_stop(out);", "}"]
        extra = ", sv::BaseResp& base" if base_id else ""
        out += [f"void read_struct(rpc::Reader& in, {s.name}&{' v' if s.fields else ''}{extra}) {{", "  rpc::Reader::Nested nested(in);",
                "  for (std::uint32_t key = 0; in.next(key);) {"]
        if used:
            out.append("    switch (key) {")
            if base_id:
                out.append(f"      case rpc::field_key({base_id}, rpc::kStruct): in.get(base); break;")
            for f in s.fields:
                out.append(f"      case rpc::field_key({f.id}, rpc::{WIRE[f.type.kind]}): in.get(v.{f.cpp}); break;")
            out += ["      default: in.skip(key);", "    }"]
        else:
            out.append("    in.skip(key);")
        out += ["  }", "}"]
        if base_id:
            out += [f"void write_struct(std::string& out, const {s.name}& v) {{ write_struct(out, v, sv::BaseResp{{}}); }}",
                    f"void read_struct(rpc::Reader& in, {s.name}& v) {{", "  sv::BaseResp base;", "  read_struct(in, v, base);", "}"]
        out.append("")
    return out + [f"}}  // namespace {m.namespace}"]


def base_field(parser, s):
    return parser.base_ids.get((s.module, s.name)) if s.has_base else None
