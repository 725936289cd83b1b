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

inline void put(Out& out, bool v) { out.boolean(v); }
inline void put(Out& out, std::int8_t v) { out.integer(v); }
inline void put(Out& out, std::int16_t v) { out.integer(v); }
inline void put(Out& out, std::int32_t v) { out.integer(v); }
inline void put(Out& out, std::int64_t v) { out.integer(v); }
inline void put(Out& out, double v) { out.number(v); }
inline void put(Out& out, const std::string& v) { out.string(v); }
inline void put(Out& out, const Text& v) { out.string(v); }
template <class Tag>
void put(Out& out, StrongId<Tag> v) {
  out.integer(v.value);
}
template <class T>
void put(Out& out, const std::vector<T>& v);
template <class T>
void put(Out& out, const std::set<T>& v);
template <class K, class V>
void put(Out& out, const FlatMap<K, V>& v);
template <class T>
  requires std::is_class_v<T>
void put(Out& out, const T& v) {
  write_json(out, v);
}

inline void put_key(Out& out, const std::string& v) { out.string(v); }
template <class T>
void put_key(Out& out, T v) {
  out.raw('"');
  put(out, v);
  out.raw('"');
}

template <class T>
void put(Out& out, const std::vector<T>& v) {
  out.raw('[');
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (i > 0) out.raw(',');
    const std::size_t before = out.size();
    put(out, static_cast<const T&>(v[i]));
    // Entities of one page are about the same size: one allocation for all of them.
    if (i == 0) out.room((out.size() - before) * 5 / 4 * (v.size() - 1));
  }
  out.raw(']');
}
template <class T>
void put(Out& out, const std::set<T>& v) {
  out.raw('[');
  bool first = true;
  for (const auto& x : v) {
    if (!std::exchange(first, false)) out.raw(',');
    put(out, x);
  }
  out.raw(']');
}
template <class K, class V>
void put(Out& out, const FlatMap<K, V>& v) {
  out.raw('{');
  bool first = true;
  for (const auto& [k, x] : v) {
    if (!std::exchange(first, false)) out.raw(',');
    put_key(out, k);
    out.raw(':');
    put(out, x);
  }
  out.raw('}');
}

}  // namespace sv::json
