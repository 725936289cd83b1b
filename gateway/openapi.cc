#include "gateway/openapi.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "idl/services.h"
#include "platform/core/json_writer.h"

namespace sv::gateway {
namespace {

constexpr std::string_view kErrorSchema =
    R"({"type":"object","description":"Every failure. error is stable; message follows Accept-Language.","properties":{)"
    R"("code":{"type":"integer"},"message":{"type":"string"},"error":{"type":"string"},"field":{"type":"string"},"request_id":{"type":"string"}},)"
    R"("required":["code","message","error","request_id"]})";

constexpr std::array<std::pair<int, std::string_view>, 9> kFailures{
    {{400, "A parameter is invalid, or a rule said no"},
     {401, "No valid token"},
     {403, "Not allowed"},
     {404, "Unknown, or not for the caller to see"},
     {409, "In conflict with another request"},
     {413, "The body is too large"},
     {415, "The wrong media type"},
     {422, "The content cannot be processed"},
     {429, "Too many requests; see Retry-After"}}};

constexpr std::string_view kListHeaders =
    R"("headers":{"X-Next-Cursor":{"description":"`cursor` of the next page; absent at the end","schema":{"type":"string"}},)"
    R"("X-Total-Count":{"description":"How many there are, where that is known","schema":{"type":"integer"}}},)";

std::string json_text(std::string_view s) {
  std::string out;
  json::append_string(out, s);
  return out;
}

std::string reference(std::string_view name) {
  return fmt::format(R"({{"$ref":"#/components/schemas/{}"}})", name);
}

// What stands in braces at the end of a path, empty when nothing does.
std::string_view path_parameter(std::string_view path) {
  const auto brace = path.find('{');
  return brace == std::string_view::npos ? std::string_view{}
                                         : path.substr(brace + 1, path.size() - brace - 2);
}

std::string parameters(const Route& route) {
  std::string out;
  auto add = [&out](std::string_view name, std::string_view in, bool required,
                    std::string_view schema) {
    if (!out.empty()) out += ',';
    out += fmt::format(R"({{"name":{},"in":"{}","required":{},"schema":{}}})", json_text(name), in,
                       required, schema);
  };
  if (const auto name = path_parameter(route.path); !name.empty())
    add(name, "path", true, R"({"type":"string"})");
  if (route.body == Body::query)
    for (const ParamSchema& p : route.input().params) add(p.name, "query", p.required, p.schema);
  if (route.method == "POST" && (needs_token(route.access) || route.rate == RateClass::register_))
    add("Idempotency-Key", "header", false, R"({"type":"string","maxLength":255})");
  return out;
}

std::string request_body(const Route& route) {
  if (route.body == Body::json)
    return fmt::format(
        R"("requestBody":{{"required":true,"content":{{"application/json":{{"schema":{}}}}}}},)",
        reference(route.input().name));
  if (route.body == Body::multipart)
    return fmt::format(
        R"("requestBody":{{"required":true,"content":{{"multipart/form-data":{{"schema":{{"allOf":[{},{}]}}}}}}}},)",
        reference(route.input().name), route.files);
  return {};
}

bool is_list(const Route& route) { return route.output && route.output().list; }

std::string success_schema(const Route& route) {
  std::string data = route.output ? reference(route.output().name) : std::string();
  if (is_list(route)) data = fmt::format(R"({{"type":"array","items":{}}})", data);
  const bool enveloped = route.content_type == "application/json" &&
                         (route.kind != Kind::stream || route.body == Body::multipart);
  if (!enveloped)
    return data.empty() ? (route.content_type == "application/json" ? R"({"type":"object"})"
                                                                    : R"({"type":"string"})")
                        : data;
  const bool certain = route.output && !route.output().may_lack;
  return fmt::format(
      R"({{"type":"object","properties":{{"code":{{"const":200}},"message":{{"const":"success"}}{}}},"required":["code","message"{}]}})",
      data.empty() ? "" : R"(,"data":)" + data, certain ? R"(,"data")" : "");
}

std::string responses(const Route& route) {
  std::string out =
      fmt::format(R"("200":{{"description":"Success",{}"content":{{"{}":{{"schema":{}}}}}}})",
                  is_list(route) ? kListHeaders : "", route.content_type, success_schema(route));
  if (route.content_type == "*/*" && route.body == Body::query)
    out +=
        R"(,"206":{"description":"The range asked for"},"304":{"description":"Not modified"},"416":{"description":"No such range"})";
  for (const auto& [status, text] : kFailures)
    out += fmt::format(
        R"(,"{}":{{"description":{},"content":{{"application/json":{{"schema":{}}}}}}})", status,
        json_text(text), reference("Failure"));
  out +=
      R"(,"default":{"description":"The server failed, or is too busy","content":{"application/json":{"schema":)" +
      reference("Failure") + "}}}";
  return out;
}

// What groups operations on the page: the segment that names the thing.
std::string_view area_of(const Route& route) {
  if (route.content_type == "text/html" || route.path.starts_with("/web/")) return "pages";
  if (route.access == Access::moderator) return "moderation";
  if (route.path.starts_with("/media/")) return "media";
  std::string_view path = route.path;
  for (std::string_view prefix : {"/api/", "auth/"})
    if (path.starts_with(prefix)) path.remove_prefix(prefix.size());
  return path.starts_with('/') ? "platform" : path.substr(0, path.find('/'));
}

std::string operation(const Route& route) {
  std::string method(route.method);
  std::ranges::transform(method, method.begin(),
                         [](char c) { return static_cast<char>(c | 0x20); });
  std::string id = method;
  for (char c : route.path)
    id += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
  const std::string_view security = needs_token(route.access)          ? R"([{"bearer":[]}])"
                                    : route.access == Access::optional ? R"([{},{"bearer":[]}])"
                                                                       : "[]";
  return fmt::format(
      R"("{}":{{"tags":[{}],"operationId":{},"summary":{},"security":{},"parameters":[{}],{}"responses":{{{}}}}})",
      method, json_text(area_of(route)), json_text(id), json_text(route.summary), security,
      parameters(route), request_body(route), responses(route));
}

}  // namespace

std::string openapi_document(const std::vector<Route>& routes, std::string_view version) {
  std::string out =
      fmt::format(R"({{"openapi":"3.1.0","info":{{"title":"shortvideo","version":{}}},"paths":{{)",
                  json_text(version));
  std::vector<std::string_view> seen;
  for (const Route& first : routes) {
    if (std::ranges::find(seen, first.path) != seen.end()) continue;
    if (!seen.empty()) out += ',';
    seen.push_back(first.path);
    out += json_text(first.path) + ":{";
    bool comma = false;
    for (const Route& route : routes) {
      if (route.path != first.path) continue;
      if (comma) out += ',';
      comma = true;
      out += operation(route);
    }
    out += '}';
  }
  out +=
      R"(},"components":{"securitySchemes":{"bearer":{"type":"http","scheme":"bearer","bearerFormat":"JWT"}},"schemas":{"Failure":)";
  out += kErrorSchema;
  for (const NamedSchema& schema : all_schemas())
    out += fmt::format(R"(,{}:{})", json_text(schema.name), schema.json);
  out += "}}}";
  return out;
}

}  // namespace sv::gateway
