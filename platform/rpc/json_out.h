#pragma once

#include <set>
#include <string>
#include <vector>

#include "platform/core/flat_map.h"
#include "platform/core/ids.h"
#include "platform/core/json_writer.h"
#include "platform/core/text.h"
#include "platform/rpc/json_codec.h"

// One overload of `put` per kind of field: what the generated write_json functions are made of.
namespace sv::json {

inline void put(std::string& out, bool v) { append_bool(out, v); }
inline void put(std::string& out, std::int8_t v) { append_int(out, v); }
inline void put(std::string& out, std::int16_t v) { append_int(out, v); }
inline void put(std::string& out, std::int32_t v) { append_int(out, v); }
inline void put(std::string& out, std::int64_t v) { append_int(out, v); }
inline void put(std::string& out, double v) { append_double(out, v); }
inline void put(std::string& out, const std::string& v) { append_string(out, v); }
inline void put(std::string& out, const Text& v) { append_string(out, v); }
template <class Tag>
void put(std::string& out, StrongId<Tag> v) {
  append_int(out, v.value);
}
template <class T>
void put(std::string& out, const std::vector<T>& v);
template <class T>
void put(std::string& out, const std::set<T>& v);
template <class K, class V>
void put(std::string& out, const FlatMap<K, V>& v);
template <class T>
  requires std::is_class_v<T>
void put(std::string& out, const T& v) {
  write_json(out, v);
}

inline void put_key(std::string& out, const std::string& v) { append_string(out, v); }
template <class T>
void put_key(std::string& out, T v) {
  out += '"';
  put(out, v);
  out += '"';
}

template <class T>
void put(std::string& out, const std::vector<T>& v) {
  if constexpr (std::is_class_v<T>) {
    if constexpr (requires { write_json(out, v.front()); }) return sv::write_json(out, v);
  }
  out += '[';
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (i > 0) out += ',';
    put(out, static_cast<const T&>(v[i]));
  }
  out += ']';
}
template <class T>
void put(std::string& out, const std::set<T>& v) {
  out += '[';
  bool first = true;
  for (const auto& x : v) {
    if (!std::exchange(first, false)) out += ',';
    put(out, x);
  }
  out += ']';
}
template <class K, class V>
void put(std::string& out, const FlatMap<K, V>& v) {
  out += '{';
  bool first = true;
  for (const auto& [k, x] : v) {
    if (!std::exchange(first, false)) out += ',';
    put_key(out, k);
    out += ':';
    put(out, x);
  }
  out += '}';
}

}  // namespace sv::json
