"""services.h and services.cc: what spans all files."""

from emit_api import short
from parse_xml import IdlError


def check(modules):
    seen = {}
    for m in modules:
        for s in m.structs:
            if s.name in seen:
                raise IdlError(f"struct {s.name} is in {seen[s.name]} and {m.name}; schema names are global")
            seen[s.name] = m.name


def services_header(modules):
    served = [m for m in modules if m.service]
    out = ["#pragma once", "", "#include <functional>", "#include <span>", "#include <string_view>", ""] + [f'#include "idl/{m.name}.h"' for m in modules]
    out += ["", "namespace sv {", "", "// Every service, absent ones until wiring sets them. Never null.", "struct Services {", "  Services();"]
    out += [f"  sv::{m.name}::{short(m)}Api* {m.name};" for m in served]
    out += ["};", "", "// Stubs of all services, each over the channel of its name.", "struct Stubs {",
            "  explicit Stubs(const std::function<rpc::Channel&(std::string_view service)>& channel_to);",
            "  // Makes that of `services` the stub of this name.", "  void stand_in(Services& services, std::string_view service);"]
    out += [f"  sv::{m.name}::{short(m)}Client {m.name};" for m in served]
    return out + ["};", "", "// Serves calls of the service of this name. `services` outlives it.",
                  "std::function<Task<rpc::Served>(const Ctx& ctx, std::string_view payload, bool service_named)> dispatcher_of(",
                  "    const Services& services, std::string_view service);", "",
                  "std::span<const NamedSchema> all_schemas();", "", "}  // namespace sv"]


def services_code(modules):
    served = [m for m in modules if m.service]
    out = ['#include "idl/services.h"', "", "namespace sv {", "", "Services::Services() {"]
    for m in served:
        out += [f"  static {m.name}::{short(m)}Absent {m.name}_absent;", f"  this->{m.name} = &{m.name}_absent;"]
    out += ["}", "", "Stubs::Stubs(const std::function<rpc::Channel&(std::string_view)>& channel_to)",
            "    : " + ", ".join(f'{m.name}(channel_to("{m.name}"))' for m in served) + " {}", "",
            "void Stubs::stand_in(Services& services, std::string_view service) {"]
    out += [f'  if (service == "{m.name}") services.{m.name} = &{m.name};' for m in served]
    out += ["}", "", "std::function<Task<rpc::Served>(const Ctx&, std::string_view, bool)> dispatcher_of(const Services& services, std::string_view service) {"]
    for m in served:
        out += [f'  if (service == "{m.name}")',
                f"    return [&services](const Ctx& ctx, std::string_view payload, bool named) {{ return {m.name}::dispatch_{m.name}(*services.{m.name}, ctx, payload, named); }};"]
    out += ["  return {};", "}", "", "std::span<const NamedSchema> all_schemas() {", "  static const std::vector<NamedSchema> all = [] {",
            "    std::vector<NamedSchema> v;"]
    for m in modules:
        space = "" if m.name == "common" else m.name + "::"
        out.append(f"    for (const auto& s : {space}{m.name}_schemas()) v.push_back(s);")
    return out + ["    return v;", "  }();", "  return all;", "}", "", "}  // namespace sv"]
