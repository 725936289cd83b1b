#include <cstdint>
#include <cstdlib>
#include <string>

#include "platform/net/multipart.h"

// However the bytes are cut, the parser says the same.
static std::string run(std::string_view body, std::size_t step_size) {
  sv::net::MultipartParser parser("b");
  std::string out;
  for (std::size_t at = 0; at < body.size(); at += step_size) {
    std::string bytes(body.substr(at, step_size));
    parser.feed(std::as_bytes(std::span(bytes)));
    for (;;) {
      auto step = parser.next();
      if (!step) return out + "!";
      if (!*step) break;
      if ((*step)->event == sv::net::MultipartParser::Event::part_begin)
        out += "<" + parser.part().name + "|" + parser.part().filename + ">";
      out.append(reinterpret_cast<const char*>((*step)->data.data()), (*step)->data.size());
      if ((*step)->event == sv::net::MultipartParser::Event::part_end) out += "</>";
    }
  }
  return out + (parser.done() ? "." : "");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  (void)sv::net::MultipartParser::boundary(body);
  if (run(body, body.size()) != run(body, std::size_t{1} + data[0] % 32)) std::abort();
  return 0;
}
