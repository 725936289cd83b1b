"""<module>.h: structs, interfaces and declarations."""

from emit_api import api_classes


def member(f):
    if f.optional:
        return f"  std::optional<{f.type.cpp}> {f.cpp};"
    return f"  {f.type.cpp} {f.cpp}{{{f.default or ''}}};"


def comment(doc, indent=""):
    return [f"{indent}// {line.strip()}" for line in doc.splitlines() if line.strip()]


def header(m, parser):
    out = ["#pragma once", "", "#include <cstdint>", "#include <optional>", "#include <set>", "#include <span>",
           "#include <string>", "#include <string_view>", "#include <vector>", ""]
    out += [f'#include "idl/{i}.h"' for i in m.includes]
    out += ['#include "platform/core/flat_map.h"', '#include "platform/core/ids.h"', '#include "platform/core/text.h"', '#include "platform/rpc/json_codec.h"', '#include "platform/rpc/schema.h"']
    if m.service:
        out += ['#include "platform/core/ctx.h"', '#include "platform/core/task.h"', '#include "platform/rpc/channel.h"', '#include "platform/rpc/message.h"']
    if m.on_wire:
        out += ["", "namespace sv::rpc {", "class Reader;", "}"]
    out += ["", f"namespace {m.namespace} {{", ""]
    out += [f"using {i} = StrongId<struct {i}Tag>;" for i in m.ids]
    if m.ids:
        out.append("")
    for s in m.structs:
        out += comment(s.doc) + [f"struct {s.name} {{"]
        if "topic" in s.notes:
            out += [f"  // The order is kept by {s.notes['key']}.", f'  static constexpr std::string_view kTopic = "{s.notes["topic"]}";']
        for f in s.fields:
            out += comment(f.doc, "  ") + [member(f)]
        out += [f"  bool operator==(const {s.name}&) const = default;", "};", ""]
    for s in m.structs:
        out += [f"void write_json(json::Out& out, const {s.name}& v);", f"void read_fields(json::In& in, {s.name}& v);"]
        if m.on_wire:
            out += [f"void write_struct(std::string& out, const {s.name}& v);", f"void read_struct(rpc::Reader& in, {s.name}& v);"]
            if s.has_base:
                out += [f"void write_struct(std::string& out, const {s.name}& v, const sv::BaseResp& base);",
                        f"void read_struct(rpc::Reader& in, {s.name}& v, sv::BaseResp& base);"]
    out += [f"std::span<const NamedSchema> {m.name}_schemas();", ""]
    if m.service:
        out += api_classes(m)
    out += [f"}}  // namespace {m.namespace}", "", "namespace sv {", ""]
    for s in m.structs:
        out += ["template <>", f"struct SchemaOf<{m.namespace}::{s.name}> {{",
                f'  static constexpr std::string_view name = "{s.name}";',
                "  static const std::string_view json;", "  static const std::span<const ParamSchema> params;", "};"]
    return out + ["", "}  // namespace sv"]
