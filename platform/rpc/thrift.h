#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "platform/core/flat_map.h"
#include "platform/core/ids.h"
#include "platform/core/text.h"

// Strict Thrift binary protocol (docs/wire.md). Writing appends to a string and cannot fail.
// Reading never trusts a length: the first error ends the input, everything read after it is zero
// or empty, and `ok()` tells.
namespace sv::rpc {

enum Type : std::uint8_t {
  kStop = 0,
  kBool = 2,
  kI8 = 3,
  kDouble = 4,
  kI16 = 6,
  kI32 = 8,
  kI64 = 10,
  kString = 11,
  kStruct = 12,
  kMap = 13,
  kSet = 14,
  kList = 15
};

template <class T>
constexpr Type type_of(const T*) {
  return kStruct;
}
constexpr Type type_of(const bool*) { return kBool; }
constexpr Type type_of(const std::int8_t*) { return kI8; }
constexpr Type type_of(const double*) { return kDouble; }
constexpr Type type_of(const std::int16_t*) { return kI16; }
constexpr Type type_of(const std::int32_t*) { return kI32; }
constexpr Type type_of(const std::int64_t*) { return kI64; }
constexpr Type type_of(const std::string*) { return kString; }
constexpr Type type_of(const Text*) { return kString; }
template <class Tag>
constexpr Type type_of(const StrongId<Tag>*) {
  return kI64;
}
template <class T>
constexpr Type type_of(const std::vector<T>*) {
  return kList;
}
template <class T>
constexpr Type type_of(const std::set<T>*) {
  return kSet;
}
template <class K, class V>
constexpr Type type_of(const FlatMap<K, V>*) {
  return kMap;
}
template <class T>
inline constexpr Type kTypeOf = type_of(static_cast<const T*>(nullptr));

// A field's id and type in one number, so that a reader is one switch.
constexpr std::uint32_t field_key(std::uint16_t id, Type type) {
  return (static_cast<std::uint32_t>(id) << 8) | type;
}

// --- writing

template <class U>
void put_big_endian(std::string& out, U v) {
  static_assert(std::is_unsigned_v<U>);
  char buf[sizeof(U)];
  for (std::size_t i = 0; i < sizeof(U); ++i)
    buf[i] = static_cast<char>(v >> (8 * (sizeof(U) - 1 - i)));
  out.append(buf, sizeof buf);
}

inline void write(std::string& out, bool v) { out += v ? '\1' : '\0'; }
inline void write(std::string& out, std::int8_t v) { out += static_cast<char>(v); }
inline void write(std::string& out, std::int16_t v) {
  put_big_endian(out, static_cast<std::uint16_t>(v));
}
inline void write(std::string& out, std::int32_t v) {
  put_big_endian(out, static_cast<std::uint32_t>(v));
}
inline void write(std::string& out, std::int64_t v) {
  put_big_endian(out, static_cast<std::uint64_t>(v));
}
inline void write(std::string& out, double v) {
  put_big_endian(out, std::bit_cast<std::uint64_t>(v));
}
inline void write(std::string& out, std::string_view v) {
  put_big_endian(out, static_cast<std::uint32_t>(v.size()));
  out.append(v);
}
inline void write(std::string& out, const std::string& v) { write(out, std::string_view(v)); }
inline void write(std::string& out, const Text& v) { write(out, std::string_view(v)); }
void write(std::string& out, const char*) = delete;  // would become a bool
template <class Tag>
void write(std::string& out, StrongId<Tag> v) {
  write(out, v.value);
}
template <class T>
void write(std::string& out, const std::vector<T>& v);
template <class T>
void write(std::string& out, const std::set<T>& v);
template <class K, class V>
void write(std::string& out, const FlatMap<K, V>& v);
template <class T>
  requires(kTypeOf<T> == kStruct)
void write(std::string& out, const T& v) {
  write_struct(out, v);
}

template <class T>
void write(std::string& out, const std::vector<T>& v) {
  out += static_cast<char>(kTypeOf<T>);
  put_big_endian(out, static_cast<std::uint32_t>(v.size()));
  for (const auto& x : v) write(out, static_cast<const T&>(x));
}
template <class T>
void write(std::string& out, const std::set<T>& v) {
  out += static_cast<char>(kTypeOf<T>);
  put_big_endian(out, static_cast<std::uint32_t>(v.size()));
  for (const auto& x : v) write(out, x);
}
template <class K, class V>
void write(std::string& out, const FlatMap<K, V>& v) {
  out += static_cast<char>(kTypeOf<K>);
  out += static_cast<char>(kTypeOf<V>);
  put_big_endian(out, static_cast<std::uint32_t>(v.size()));
  for (const auto& [k, x] : v) {
    write(out, k);
    write(out, x);
  }
}

template <class T>
void write_field(std::string& out, std::uint16_t id, const T& v) {
  const char head[3] = {static_cast<char>(kTypeOf<T>), static_cast<char>(id >> 8),
                        static_cast<char>(id)};
  out.append(head, sizeof head);
  write(out, v);
}
template <class T>
void write_field(std::string& out, std::uint16_t id, const std::optional<T>& v) {
  if (v) write_field(out, id, *v);
}
inline void write_stop(std::string& out) { out += '\0'; }

// --- reading

inline constexpr int kMaxDepth = 64;

class Reader {
 public:
  // Reads from `bytes`, which must outlive the reader. What is decoded may take 16 × bytes + 1 MiB
  // of memory, no more: a list of a million empty structs is a million bytes on the wire and would
  // be a gigabyte here.
  explicit Reader(std::string_view bytes)
      : x_at(bytes.data()),
        x_end(bytes.data() + bytes.size()),
        x_budget(16 * bytes.size() + (std::size_t{1} << 20)) {}

  bool ok() const { return x_ok; }
  bool truncated() const {
    return x_truncated;
  }  // the error was that the input ended; more bytes could mend it
  std::size_t left() const { return static_cast<std::size_t>(x_end - x_at); }

  // The next field of the struct being read; false at its end or after an error.
  bool next(std::uint32_t& key);
  void skip(std::uint32_t key) { skip_value(static_cast<std::uint8_t>(key)); }

  void get(bool& v) { v = fixed<std::uint8_t>() != 0; }
  void get(std::int8_t& v) { v = static_cast<std::int8_t>(fixed<std::uint8_t>()); }
  void get(std::int16_t& v) { v = static_cast<std::int16_t>(fixed<std::uint16_t>()); }
  void get(std::int32_t& v) { v = static_cast<std::int32_t>(fixed<std::uint32_t>()); }
  void get(std::int64_t& v) { v = static_cast<std::int64_t>(fixed<std::uint64_t>()); }
  void get(double& v) { v = std::bit_cast<double>(fixed<std::uint64_t>()); }
  void get(std::string& v) { v.assign(text()); }
  void get(Text& v) { v = text(); }
  template <class Tag>
  void get(StrongId<Tag>& v) {
    get(v.value);
  }
  template <class T>
  void get(std::optional<T>& v) {
    get(v.emplace());
  }
  template <class T>
    requires(kTypeOf<T> == kStruct)
  void get(T& v) {
    v = T{};
    read_struct(*this, v);
  }
  template <class T>
  void get(std::vector<T>& v) {
    v.clear();
    std::uint32_t n = elements(kTypeOf<T>, sizeof(T));
    v.reserve(n);
    for (std::uint32_t i = 0; i < n && x_ok; ++i) {
      T x{};
      get(x);
      v.push_back(std::move(x));
    }
  }
  template <class T>
  void get(std::set<T>& v) {
    v.clear();
    for (std::uint32_t n = elements(kTypeOf<T>, sizeof(T) + kNode); n > 0 && x_ok; --n) {
      T x{};
      get(x);
      v.insert(std::move(x));
    }
  }
  template <class K, class V>
  void get(FlatMap<K, V>& v) {
    // Sorted at the end: an insertion each would cost a square of their number.
    typename FlatMap<K, V>::sequence_type all;
    for (std::uint32_t n = pairs(kTypeOf<K>, kTypeOf<V>, sizeof(K) + sizeof(V)); n > 0 && x_ok;
         --n) {
      auto& [key, value] = all.emplace_back();
      get(key);
      get(value);
    }
    v.adopt_sequence(std::move(all));
  }

  // A string that points into the input.
  std::string_view text();
  void fail() {
    x_ok = false;
    x_at = x_end;
  }

  // Held while a struct is read: structs in structs end at kMaxDepth.
  class Nested {
   public:
    explicit Nested(Reader& in) : x_in(in) {
      if (++x_in.x_depth > kMaxDepth) x_in.fail();
    }
    ~Nested() { --x_in.x_depth; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Reader& x_in;
  };

 private:
  void fail_short() {
    if (x_ok) x_truncated = true;
    fail();
  }

  static constexpr std::size_t kNode = 48;  // what a tree node costs beside its value

  template <class U>
  U fixed() {
    if (left() < sizeof(U)) {
      fail_short();
      return 0;
    }
    U v = 0;
    for (std::size_t i = 0; i < sizeof(U); ++i)
      v = static_cast<U>((static_cast<std::uint64_t>(v) << 8) |
                         static_cast<unsigned char>(x_at[i]));
    x_at += sizeof(U);
    return v;
  }
  // Read a container's head. They answer how many elements to read: none when the element type is a
  // foreign one (those are skipped).
  std::uint32_t elements(Type want, std::size_t memory);
  std::uint32_t pairs(Type key, Type value, std::size_t memory);
  std::uint32_t size(std::size_t least);
  bool charge(std::uint32_t n, std::size_t memory);
  void skip_value(std::uint8_t type);

  const char* x_at;
  const char* x_end;
  std::size_t x_budget;
  int x_depth = 0;
  bool x_ok = true;
  bool x_truncated = false;
};

}  // namespace sv::rpc
