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

// -- A value of each kind from a query's text and from JSON; nullopt: it is something else.

std::optional<bool> bool_in_text(std::string_view s) {
  if (s == "true" || s == "1") return true;
  if (s == "false" || s == "0") return false;
  return std::nullopt;
}

std::optional<bool> bool_in_json(const bj::value& in) {
  const bool* b = in.if_bool();
  return b != nullptr ? std::optional(*b) : std::nullopt;
}

// A number that no double holds is infinite.
std::optional<double> double_in_text(std::string_view s) {
  double v = 0;
  const auto r = std::from_chars(s.data(), s.data() + s.size(), v);
  if (r.ec == std::errc::result_out_of_range) return std::numeric_limits<double>::infinity();
  if (r.ec != std::errc{} || r.ptr != s.data() + s.size()) return std::nullopt;
  return v;
}

std::optional<double> double_in_json(const bj::value& in) {
  return in.is_number() ? std::optional(in.to_number<double>()) : std::nullopt;
}

// Of a whole number that 64 bits do not hold only the side is known.
struct Whole {
  enum class Size : unsigned char { fits, below, above };
  std::int64_t value = 0;
  Size size = Size::fits;
};

std::optional<Whole> whole_in_text(std::string_view s) {
  Whole n;
  const auto r = std::from_chars(s.data(), s.data() + s.size(), n.value);
  if (s.empty() || r.ptr != s.data() + s.size()) return std::nullopt;
  if (r.ec != std::errc{}) n.size = s[0] == '-' ? Whole::Size::below : Whole::Size::above;
  return n;
}

// The parser makes an unsigned number, or a double, of what an int64 does not hold.
std::optional<Whole> whole_in_json(const bj::value& in) {
  if (const std::int64_t* i = in.if_int64()) return Whole{.value = *i};
  if (in.is_uint64()) return Whole{.size = Whole::Size::above};
  const double* d = in.if_double();
  if (d == nullptr || std::abs(*d) < 9.2e18) return std::nullopt;
  return Whole{.size = *d > 0 ? Whole::Size::above : Whole::Size::below};
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
  const bj::value* p = object_.if_contains({rule.name.data(), rule.name.size()});
  return p != nullptr && p->is_null() ? nullptr : p;
}

bool In::blank(const Value& v) const {
  const bj::string* s = text_ ? v.if_string() : nullptr;
  return s != nullptr && s->empty();
}

void In::problem(const Rule& rule, std::string_view what) {
  if (!error_) error_ = invalid(rule.name, what).error();
}

void In::read(const Rule& rule, const Value& in, bool& v) {
  const auto answer = text_ ? bool_in_text(view(in.get_string())) : bool_in_json(in);
  if (!answer) return problem(rule, "wrong_type");
  v = *answer;
}

void In::read(const Rule& rule, const Value& in, std::string& v) {
  const bj::string* s = in.if_string();
  if (s == nullptr) return problem(rule, "wrong_type");
  v.assign(s->data(), s->size());
  if (!utf8_length(v) || v.contains('\0')) problem(rule, "invalid");
}

void In::read(const Rule& rule, const Value& in, double& v) {
  const auto number = text_ ? double_in_text(view(in.get_string())) : double_in_json(in);
  if (!number) return problem(rule, "wrong_type");
  v = *number;
  if (!std::isfinite(v)) problem(rule, "out_of_range");
}

void In::read(const Rule& rule, const Value& in, std::int64_t& v) {
  v = std::min(integer(rule, in, Rule::kLow, Rule::kHigh), rule.cap);
}

std::int64_t In::integer(const Rule& rule, const Value& in, std::int64_t low, std::int64_t high) {
  const auto n = text_ ? whole_in_text(view(in.get_string())) : whole_in_json(in);
  if (!n) {
    problem(rule, "wrong_type");
    return 0;
  }
  if (n->size == Whole::Size::above && rule.cap != Rule::kHigh) return rule.cap;
  if (n->size != Whole::Size::fits || n->value < low || n->value > high)
    problem(rule, "out_of_range");
  return n->value;
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
  if (error_) return;
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

In::Items::Items(In& in, const Rule& rule, const Value& from, bool object)
    : store_(std::make_unique<Store>()) {
  if (object) {
    store_->object = in.as_object(rule, from);
    if (store_->object != nullptr) size_ = store_->object->size();
    return;
  }
  if (in.text_ && from.is_string()) {
    for (std::string_view rest = view(from.get_string()); !rest.empty();) {
      std::size_t comma = rest.find(',');
      std::string_view item = rest.substr(0, comma);
      while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
      while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
      if (!item.empty()) store_->split.emplace_back(bj::string_view(item.data(), item.size()));
      rest.remove_prefix(comma == rest.npos ? rest.size() : comma + 1);
    }
    store_->array = &store_->split;
  } else {
    store_->array = from.if_array();
    if (store_->array == nullptr) {
      in.problem(rule, "wrong_type");
      return;
    }
  }
  size_ = store_->array->size();
}

In::Items::~Items() = default;

const bj::value& In::Items::operator[](std::size_t i) const {
  return store_->object != nullptr ? (store_->object->begin() + i)->value() : (*store_->array)[i];
}

const bj::value& In::Items::key(std::size_t i) {
  store_->key = (store_->object->begin() + i)->key();
  return store_->key;
}

}  // namespace sv::json
