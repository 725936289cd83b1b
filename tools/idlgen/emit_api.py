"""The interface of a service, its null object, its stub and its dispatcher."""

from emit_codec import WIRE
from parse_xml import snake


def short(m):
    return m.service.removesuffix("Service")


def result(method):
    return "Task<Result<>>" if method.plain else f"Task<Result<{method.returns.cpp}>>"


def signature(method, named=True):
    args = "const Ctx&" + (" ctx" if named else "")
    if method.arg:
        args += f", const {method.arg.type.cpp}&" + (f" {method.arg.cpp}" if named else "")
    return f"{method.cpp}({args})"


def api_classes(m):
    name = short(m)
    out = [f"class {name}Api {{", " public:", f"  virtual ~{name}Api() = default;"]
    out += [f"  virtual {result(x)} {signature(x)} = 0;" for x in m.methods]
    out += ["};", "", f"// Stands in for a service that this installation does not have: every call is `absent`, token `{m.name}_unavailable`.",
            "// Fakes derive from it and override what they need.",
            f"class {name}Absent : public {name}Api {{", " public:"]
    out += [f"  {result(x)} {signature(x)} override;" for x in m.methods]
    out += ["};", "", "// Calls a service in another process. `channel` outlives it.", f"class {name}Client final : public {name}Api {{", " public:",
            f"  explicit {name}Client(rpc::Channel& channel) : x_channel(channel) {{}}"]
    out += [f"  {result(x)} {signature(x)} override;" for x in m.methods]
    out += ["", " private:", "  rpc::Channel& x_channel;", "};", "",
            "// Serves one call: a whole Thrift message in, the whole answer out. `service_named`: the peer said which service it means, so an",
            "// unknown method is answered as such and not as an unknown service. Never throws.",
            f"Task<rpc::Served> dispatch_{m.name}({name}Api& api, const Ctx& ctx, std::string_view payload, bool service_named);", ""]
    return out


def absent_code(m, parser):
    out = [f'#include "idl/{m.name}.h"', "", f"namespace {m.namespace} {{", ""]
    for x in m.methods:
        out.append(f'{result(x)} {short(m)}Absent::{signature(x, False)} {{ co_return fail(Errc::absent, "{m.name}_unavailable"); }}')
    return out + ["", f"}}  // namespace {m.namespace}"]


def client_code(m, parser):
    out = [f'#include "idl/{m.name}.h"', '#include "idl/edge.h"', '#include "platform/rpc/thrift.h"', "", f"namespace {m.namespace} {{", ""]
    for x in m.methods:
        payload = f"{x.arg.id}, {x.arg.cpp}" if x.arg else ""
        head = f'edge::call_payload("{x.name}"' + (f", {payload}" if x.arg else "") + ")"
        out += [f"{result(x)} {short(m)}Client::{signature(x)} {{",
                f'  SV_CO_TRY(std::string reply, co_await x_channel.call(ctx, {{"{x.name}", {"true" if x.reads else "false"}}}, {head}));']
        wire = x.returns.cpp
        base = parser.has_base(x.returns)
        reader = "status" if x.plain else ("reply_with_status" if base else "reply")
        arg = "" if x.plain and x.returns.name == "BaseResp" else f"<{wire}>"
        ctx = "ctx, " if reader == "reply_with_status" else ""
        out += [f'  co_return edge::read_{reader}{arg}({ctx}reply, "{x.name}");', "}"]
    return out + ["", f"}}  // namespace {m.namespace}"]


def on_failure(x, parser):
    """How the method answers an exception: as it answers any failure."""
    if x.returns.name == "BaseResp":
        return "edge::fail_status"
    return f"edge::fail_with_status<{x.returns.cpp}>" if parser.has_base(x.returns) else "edge::biz_error"


def actor_of(x, parser):
    struct = parser.structs.get((x.arg.type.module, x.arg.type.name))
    return struct.actor if struct else None


def named_actor(x, parser):
    """Whether the one who is named may act, and for whom the method then runs."""
    if not (actor := actor_of(x, parser)):
        return []
    field = f"arg.{actor.cpp}" + (".value_or(UserId{})" if actor.optional else "")
    return [f"  const auto who = edge::acting(ctx, {field});",
            f"  if (!who) co_return {on_failure(x, parser)}(ctx, head, who.error());"]


def dispatch_code(m, parser):
    out = [f'#include "idl/{m.name}.h"', '#include "idl/edge.h"', '#include "platform/rpc/thrift.h"', "", f"namespace {m.namespace} {{", "namespace {", ""]
    for x in m.methods:
        out += [f"Task<rpc::Served> serve_{snake(x.name)}({short(m)}Api& api, const Ctx& ctx, const rpc::MessageHead& head, rpc::Reader& in) {{"]
        if x.arg:
            out += [f"  {x.arg.type.cpp} arg{{}};",
                    f"  if (!edge::read_args(in, {x.arg.id}, arg)) co_return edge::malformed(head);",
                    *named_actor(x, parser),
                    f"  auto result = co_await api.{x.cpp}({'who->ctx()' if actor_of(x, parser) else 'ctx'}, arg);"]
        else:
            out += ["  if (!edge::read_no_args(in)) co_return edge::malformed(head);", f"  auto result = co_await api.{x.cpp}(ctx);"]
        base = parser.has_base(x.returns)
        writer = "status" if x.plain else ("reply_with_status" if base else "reply")
        arg = f"<{x.returns.cpp}>" if x.plain and x.returns.name != "BaseResp" else ""
        out += [f"  co_return edge::write_{writer}{arg}(ctx, head, result);", "}"]
    out += ["", "}  // namespace", "", f"Task<rpc::Served> dispatch_{m.name}({short(m)}Api& api, const Ctx& ctx, std::string_view payload, bool service_named) {{",
            "  static constexpr edge::Method<" + short(m) + "Api> kMethods[] = {"]
    out += [f'      {{"{x.name}", serve_{snake(x.name)}, {on_failure(x, parser)}}},' for x in m.methods]
    return out + ["  };", f"  return edge::dispatch<{short(m)}Api>(kMethods, api, ctx, payload, service_named);", "}", "", f"}}  // namespace {m.namespace}"]
