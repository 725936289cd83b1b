#include "platform/rpc/json_in.h"

#include <boost/json.hpp>

#include <charconv>
#include <cmath>
#include <regex>
#include <unordered_map>

#include "platform/core/utf8.h"

namespace sv::json {
namespace bj = boost::json;

namespace {

std::string_view view(const bj::string& s) { return {s.data(), s.size()}; }

// Compiled once per thread; the patterns are literals of the generated code. std::regex recurses
// per character, so long texts never reach it.
bool matches(const char* pattern, const std::string& s) {
  constexpr std::size_t kLongest = 1024;
  if (s.size() > kLongest) return false;
  thread_local std::unordered_map<const char*, std::regex> compiled;
  auto it = compiled.find(pattern);
  if (it == compiled.end())
    it = compiled.emplace(pattern, std::regex(pattern, std::regex::ECMAScript)).first;
  return std::regex_match(s, it->second);
}

bool listed(std::string_view list, std::string_view s) {
  for (;;) {
    std::size_t bar = list.find('|');
    if (list.substr(0, bar) == s) return true;
    if (bar == list.npos) return false;
    list.remove_prefix(bar + 1);
  }
}

Result<> run(const bj::object& object, bool text, Fill fill, void* into) {
  std::optional<Error> error;
  In in(object, text, error);
  fill(in, into);
  if (error) return std::unexpected(std::move(*error));
  return {};
}

}  // namespace

Result<> parse_body(std::string_view body, Fill fill, void* into) {
  unsigned char buffer[4096];
  bj::monotonic_resource memory(buffer, sizeof buffer);
  if (body.find_first_not_of(" \t\r\n") == body.npos)
    return run(bj::object(&memory), false, fill, into);
  bj::parse_options options;
  options.allow_invalid_utf8 = true;  // found later, field by field, so that the error can name it
  bj::error_code ec;
  bj::value value = bj::parse({body.data(), body.size()}, ec, &memory, options);
  if (ec) return fail(Errc::invalid_argument, "invalid_json");
  if (!value.is_object()) return invalid("body", "wrong_type");
  return run(value.get_object(), false, fill, into);
}

Result<> parse_params(std::span<const std::pair<std::string, std::string>> params, Fill fill,
                      void* into) {
  bj::object object;
  for (const auto& [name, value] : params) object[name] = value;
  return run(object, true, fill, into);
}

const bj::value* In::find(const Rule& rule) const {
  const bj::value* p = x_object.if_contains({rule.name.data(), rule.name.size()});
  return p != nullptr && p->is_null() ? nullptr : p;
}

bool In::blank(const Value& v) const {
  const bj::string* s = x_text ? v.if_string() : nullptr;
  return s != nullptr && s->empty();
}

void In::problem(const Rule& rule, std::string_view what) {
  if (!x_error) x_error = invalid(rule.name, what).error();
}

void In::read(const Rule& rule, const Value& in, bool& v) {
  if (x_text) {
    std::string_view s = view(in.get_string());
    bool yes = s == "true" || s == "1", no = s == "false" || s == "0";
    if (!yes && !no) return problem(rule, "wrong_type");
    v = yes;
  } else if (const bool* b = in.if_bool()) {
    v = *b;
  } else {
    problem(rule, "wrong_type");
  }
}

void In::read(const Rule& rule, const Value& in, std::string& v) {
  const bj::string* s = in.if_string();
  if (s == nullptr) return problem(rule, "wrong_type");
  v.assign(s->data(), s->size());
  if (!utf8_length(v) || v.contains('\0')) problem(rule, "invalid");
}

void In::read(const Rule& rule, const Value& in, double& v) {
  if (x_text) {
    std::string_view s = view(in.get_string());
    auto r = std::from_chars(s.data(), s.data() + s.size(), v);
    if (r.ec == std::errc::result_out_of_range) return problem(rule, "out_of_range");
    if (r.ec != std::errc{} || r.ptr != s.data() + s.size()) return problem(rule, "wrong_type");
  } else {
    if (!in.is_number()) return problem(rule, "wrong_type");
    v = in.to_number<double>();
  }
  if (!std::isfinite(v)) problem(rule, "out_of_range");
}

void In::read(const Rule& rule, const Value& in, std::int64_t& v) {
  v = std::min(integer(rule, in, Rule::kLow, Rule::kHigh), rule.cap);
}

std::int64_t In::integer(const Rule& rule, const Value& in, std::int64_t low, std::int64_t high) {
  std::int64_t v = 0;
  bool fits = true;
  if (x_text) {
    std::string_view s = view(in.get_string());
    auto r = std::from_chars(s.data(), s.data() + s.size(), v);
    if (r.ptr != s.data() + s.size() || s.empty()) {
      problem(rule, "wrong_type");
      return 0;
    }
    fits = r.ec == std::errc{};
    if (!fits && rule.cap != Rule::kHigh && s[0] != '-') return rule.cap;
  } else if (const std::int64_t* i = in.if_int64()) {
    v = *i;
  } else if (in.is_uint64() || (in.is_double() && std::abs(in.get_double()) >= 9.2e18)) {
    // The parser turns a whole number that no 64 bits hold into a double.
    bool positive = in.is_uint64() || in.get_double() > 0;
    if (positive && rule.cap != Rule::kHigh) return rule.cap;
    fits = false;
  } else {
    problem(rule, "wrong_type");
    return 0;
  }
  if (!fits || v < low || v > high) problem(rule, "out_of_range");
  return v;
}

const bj::object* In::as_object(const Rule& rule, const Value& in) {
  const bj::object* object = in.if_object();
  if (object == nullptr) problem(rule, "wrong_type");
  return object;
}

void In::check(const Rule& rule, const std::string& v) {
  if (rule.must && v.empty()) return problem(rule, "required");
  auto bytes = static_cast<std::int64_t>(v.size());
  if (bytes < rule.bytes_min) return problem(rule, "too_short");
  if (bytes > rule.bytes_max) return problem(rule, "too_long");
  if (rule.len_min > 0 || bytes > rule.len_max) check_items(rule, utf8_length(v).value_or(0));
  if (x_error) return;
  if (rule.pattern != nullptr && !matches(rule.pattern, v)) return problem(rule, "invalid");
  if (!rule.one_of.empty() && !listed(rule.one_of, v)) problem(rule, "invalid");
}

void In::check(const Rule& rule, std::int64_t v) {
  if (v < rule.low || v > rule.high) problem(rule, "out_of_range");
}

void In::check(const Rule& rule, double v) {
  bool low = rule.low != Rule::kLow && v < static_cast<double>(rule.low);
  bool high = rule.high != Rule::kHigh && v > static_cast<double>(rule.high);
  if (low || high) problem(rule, "out_of_range");
}

void In::check_items(const Rule& rule, std::size_t n) {
  auto count = static_cast<std::int64_t>(n);
  if (count < rule.len_min) return problem(rule, "too_short");
  if (count > rule.len_max) problem(rule, "too_long");
}

struct In::Items::Store {
  const bj::array* array = nullptr;
  const bj::object* object = nullptr;
  bj::array split;
  bj::value key;
};

In::Items::Items(In& in, const Rule& rule, const Value& from, bool object) : x_store(new Store) {
  if (object) {
    x_store->object = in.as_object(rule, from);
    if (x_store->object != nullptr) x_size = x_store->object->size();
    return;
  }
  if (in.x_text && from.is_string()) {
    for (std::string_view rest = view(from.get_string()); !rest.empty();) {
      std::size_t comma = rest.find(',');
      std::string_view item = rest.substr(0, comma);
      while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
      while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
      if (!item.empty()) x_store->split.emplace_back(bj::string_view(item.data(), item.size()));
      rest.remove_prefix(comma == rest.npos ? rest.size() : comma + 1);
    }
    x_store->array = &x_store->split;
  } else {
    x_store->array = from.if_array();
    if (x_store->array == nullptr) {
      in.problem(rule, "wrong_type");
      return;
    }
  }
  x_size = x_store->array->size();
}

In::Items::~Items() { delete x_store; }

const bj::value& In::Items::operator[](std::size_t i) const {
  return x_store->object != nullptr ? (x_store->object->begin() + i)->value()
                                    : (*x_store->array)[i];
}

const bj::value& In::Items::key(std::size_t i) {
  x_store->key = (x_store->object->begin() + i)->key();
  return x_store->key;
}

}  // namespace sv::json
