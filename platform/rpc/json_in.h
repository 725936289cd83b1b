#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/flat_map.h"
#include "platform/core/ids.h"
#include "platform/core/text.h"
#include "platform/rpc/json_codec.h"

namespace boost::json {
class object;
class value;
}  // namespace boost::json

namespace sv::json {

// What the IDL says about one field. A limit that is not given is the type's own.
struct Rule {
  static constexpr std::int64_t kLow = std::numeric_limits<std::int64_t>::min(),
                                kHigh = std::numeric_limits<std::int64_t>::max();
  std::string_view name;
  bool must = false;
  std::int64_t len_min = 0, len_max = kHigh;  // characters of a string, items of a list
  std::int64_t bytes_min = 0, bytes_max = kHigh;
  std::int64_t low = kLow, high = kHigh, cap = kHigh;
  const char* pattern = nullptr;
  std::string_view one_of{};  // separated by '|'
};

// Reads the fields of one object, in the order of the IDL; keeps the first problem and ignores what
// comes after it.
// `text` mode (a query): every value is a string that is parsed as the field's type.
class In {
 public:
  In(const boost::json::object& object, bool text, std::optional<Error>& error)
      : object_(object), text_(text), error_(error) {}

  template <class T>
  void field(const Rule& rule, T& v) {
    if (error_) return;
    const boost::json::value* p = find(rule);
    if (p == nullptr || (!kTextual<T> && blank(*p))) {
      if (rule.must) problem(rule, "required");
      return;
    }
    read(rule, *p, v);
    if (!error_) check(rule, v);
  }

 private:
  using Value = boost::json::value;
  template <class T>
  static constexpr bool kTextual =
      std::is_same_v<T, std::string> || std::is_same_v<T, std::optional<std::string>> ||
      std::is_same_v<T, Text> || std::is_same_v<T, std::optional<Text>>;

  const Value* find(const Rule& rule) const;  // null when absent or `null`
  bool blank(const Value& v) const;           // an empty text in a query: `?page=`
  void problem(const Rule& rule, std::string_view what);

  void read(const Rule& rule, const Value& in, bool& v);
  void read(const Rule& rule, const Value& in, std::string& v);
  void read(const Rule& rule, const Value& in, Text& v) {
    std::string text;
    read(rule, in, text);
    v = std::move(text);
  }
  void read(const Rule& rule, const Value& in, double& v);
  void read(const Rule& rule, const Value& in, std::int64_t& v);
  std::int64_t integer(const Rule& rule, const Value& in, std::int64_t low, std::int64_t high);
  void read(const Rule& rule, const Value& in, std::int8_t& v) { narrow(rule, in, v); }
  void read(const Rule& rule, const Value& in, std::int16_t& v) { narrow(rule, in, v); }
  void read(const Rule& rule, const Value& in, std::int32_t& v) { narrow(rule, in, v); }
  template <class I>
  void narrow(const Rule& rule, const Value& in, I& v) {
    // A number above its cap becomes the cap, however large it is.
    std::int64_t high = rule.cap == Rule::kHigh ? std::numeric_limits<I>::max() : Rule::kHigh;
    v = static_cast<I>(std::min(integer(rule, in, std::numeric_limits<I>::min(), high), rule.cap));
  }
  template <class Tag>
  void read(const Rule& rule, const Value& in, StrongId<Tag>& v) {
    v.value = integer(rule, in, 0, (std::int64_t{1} << 53) - 1);
  }
  template <class T>
  void read(const Rule& rule, const Value& in, std::optional<T>& v) {
    read(rule, in, v.emplace());
  }
  template <class T>
  void read(const Rule& rule, const Value& in, std::vector<T>& v) {
    v.clear();
    Items items(*this, rule, in);
    for (std::size_t i = 0; i < items.size() && !error_; ++i) {
      T x{};
      read(rule, items[i], x);
      v.push_back(std::move(x));
    }
  }
  template <class T>
  void read(const Rule& rule, const Value& in, std::set<T>& v) {
    std::vector<T> list;
    read(rule, in, list);
    v = std::set<T>(list.begin(), list.end());
  }
  template <class V>
  void read(const Rule& rule, const Value& in, FlatMap<std::string, V>& v) {
    pairs(rule, in, v);
  }
  template <class Tag, class V>
  void read(const Rule& rule, const Value& in, FlatMap<StrongId<Tag>, V>& v) {
    pairs(rule, in, v);
  }
  template <class K, class V>
  void pairs(const Rule& rule, const Value& in, FlatMap<K, V>& v) {
    // Sorted at the end: an insertion each would cost a square of their number.
    typename FlatMap<K, V>::sequence_type all;
    Items items(*this, rule, in, true);
    for (std::size_t i = 0; i < items.size() && !error_; ++i) {
      auto& [key, value] = all.emplace_back();
      In as_text(object_, true, error_);
      as_text.read(rule, items.key(i), key);
      read(rule, items[i], value);
    }
    v.adopt_sequence(std::move(all));
  }
  template <class T>
  void read(const Rule& rule, const Value& in, T& v) {
    const boost::json::object* object = as_object(rule, in);
    if (object == nullptr) return;
    In inner(*object, false, error_);
    read_fields(inner, v);
  }
  const boost::json::object* as_object(const Rule& rule, const Value& in);

  void check(const Rule& rule, const std::string& v);
  void check(const Rule& rule, const Text& v) { check(rule, v.str()); }
  void check(const Rule& rule, std::int64_t v);
  void check(const Rule& rule, double v);
  void check(const Rule& rule, std::int8_t v) { check(rule, std::int64_t{v}); }
  void check(const Rule& rule, std::int16_t v) { check(rule, std::int64_t{v}); }
  void check(const Rule& rule, std::int32_t v) { check(rule, std::int64_t{v}); }
  void check(const Rule&, bool) {}
  template <class Tag>
  void check(const Rule& rule, StrongId<Tag> v) {
    if (rule.must && !v) return problem(rule, "required");
    check(rule, v.value);
  }
  template <class T>
  void check(const Rule& rule, const std::optional<T>& v) {
    check(rule, *v);
  }
  template <class T>
  void check(const Rule& rule, const std::vector<T>& v) {
    check_items(rule, v.size());
  }
  template <class T>
  void check(const Rule& rule, const std::set<T>& v) {
    check_items(rule, v.size());
  }
  template <class K, class V>
  void check(const Rule& rule, const FlatMap<K, V>& v) {
    check_items(rule, v.size());
  }
  template <class T>
  void check(const Rule&, const T&) {}
  void check_items(const Rule& rule, std::size_t n);

  // The items of an array (of a comma-separated text in text mode), or the members of an object.
  class Items {
   public:
    Items(In& in, const Rule& rule, const Value& from, bool object = false);
    ~Items();
    Items(const Items&) = delete;
    Items& operator=(const Items&) = delete;
    std::size_t size() const { return size_; }
    const Value& operator[](std::size_t i) const;
    const Value& key(std::size_t i);

   private:
    struct Store;
    std::size_t size_ = 0;
    std::unique_ptr<Store> store_;
  };

  const boost::json::object& object_;
  bool text_;
  std::optional<Error>& error_;
};

}  // namespace sv::json
