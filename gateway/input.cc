#include "gateway/input.h"

#include <algorithm>

#include "platform/net/uri.h"

namespace sv::gateway {
namespace {

bool is_json(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  std::ranges::transform(type, type.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  });
  return type.empty() || type == "application/json" ||
         (type.starts_with("application/") && type.ends_with("+json"));
}

}  // namespace

Task<Result<std::string>> read_json_body(Call& call) {
  if (!is_json(call.x.header("Content-Type")))
    co_return fail(Errc::unsupported_media, "content_type_required");
  auto body = co_await call.x.read_all(kJsonLimit);
  if (!body) call.x.close_after();  // what is left of the body is not read
  co_return body;
}

Result<std::vector<std::pair<std::string, std::string>>> query_pairs(Call& call) {
  auto pairs = net::parse_query(call.x.query());
  if (!pairs) return fail(Errc::invalid_argument, "query_invalid");
  return std::move(*pairs);
}

}  // namespace sv::gateway
