#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/core/error.h"
#include "platform/core/json_writer.h"

// JSON of the generated structs. Each has `write_json(json::Out&, const T&)` and
// `read_fields(json::In&, T&)` in its namespace.
namespace sv::json {

class In;
using Fill = void (*)(In&, void*);
Result<> parse_body(std::string_view body, Fill fill, void* into);
Result<> parse_params(std::span<const std::pair<std::string, std::string>> params, Fill fill,
                      void* into);

template <class T>
void fill(In& in, void* into) {
  read_fields(in, *static_cast<T*>(into));
}

}  // namespace sv::json

namespace sv {

// Parses and validates; the first problem names its field (docs/idl.md). An empty body is an empty
// object.
template <class T>
Result<T> read_json(std::string_view body) {
  T v{};
  SV_CHECK(json::parse_body(body, &json::fill<T>, &v));
  return v;
}

// The same for decoded query or form pairs: every value is text, a list is separated by commas.
template <class T>
Result<T> read_params(std::span<const std::pair<std::string, std::string>> params) {
  T v{};
  SV_CHECK(json::parse_params(params, &json::fill<T>, &v));
  return v;
}

template <class T>
void write_json(std::string& text, const T& v) {
  json::Out out(text);
  write_json(out, v);
}
template <class T>
void write_json(std::string& text, const std::vector<T>& list) {
  json::Out out(text);
  out.raw('[');
  for (const T& v : list) {
    if (&v != &list.front()) out.raw(',');
    write_json(out, v);
  }
  out.raw(']');
}

}  // namespace sv
