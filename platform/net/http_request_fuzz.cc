#include <cstdint>
#include <cstdlib>
#include <string>

#include "platform/net/http_request.h"

// A request that comes in two pieces reads like one that comes at once.
static std::string run(std::string_view input, std::size_t first) {
  using Outcome = sv::net::RequestParser::Outcome;
  sv::net::RequestParser parser(1024, 10);
  auto outcome = parser.parse_head(input.substr(0, first));
  if (outcome == Outcome::need_more) outcome = parser.parse_head(input);
  if (outcome != Outcome::ready) return "no head";
  std::string out(parser.head().method);
  out += " " + std::string(parser.head().path);
  for (auto& f : parser.head().fields)
    out += "\n" + std::string(f.name) + ":" + std::string(f.value);
  std::string_view body = input.substr(parser.head_bytes());
  while (!parser.done() && !body.empty()) {
    auto piece = parser.decode(body);
    if (piece.malformed) return out + "!";
    if (piece.consumed == 0) break;
    out += piece.data;
    body.remove_prefix(piece.consumed);
  }
  return out + (parser.done() ? "." + std::to_string(body.size()) : "");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  if (run(input, input.size()) != run(input, std::min<std::size_t>(data[0], input.size())))
    std::abort();
  return 0;
}
