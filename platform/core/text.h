#pragma once

#include <concepts>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace sv {

// Immutable text that many hold: what is kept in memory goes into every answer, and a copy only
// counts a reference. Empty text holds nothing.
class Text {
 public:
  Text() = default;
  Text(std::string s)
      : text_(s.empty() ? nullptr : std::make_shared<const std::string>(std::move(s))) {}
  Text(std::string_view s) : Text(std::string(s)) {}
  Text(const char* s) : Text(std::string(s)) {}

  const std::string& str() const {
    static const std::string kEmpty;
    return text_ ? *text_ : kEmpty;
  }
  const std::string* operator->() const { return &str(); }
  operator const std::string&() const { return str(); }
  operator std::string_view() const { return str(); }
  bool empty() const { return !text_; }

  friend bool operator==(const Text& a, const Text& b) {
    return a.text_ == b.text_ || a.str() == b.str();
  }
  template <class S>
    requires(!std::same_as<S, Text> && std::convertible_to<const S&, std::string_view>)
  friend bool operator==(const Text& a, const S& b) {
    return std::string_view(a.str()) == std::string_view(b);
  }
  friend std::ostream& operator<<(std::ostream& out, const Text& t) { return out << t.str(); }

 private:
  std::shared_ptr<const std::string> text_;
};

}  // namespace sv

template <>
struct fmt::formatter<sv::Text> : fmt::formatter<std::string_view> {
  auto format(const sv::Text& t, fmt::format_context& out) const {
    return fmt::formatter<std::string_view>::format(t.str(), out);
  }
};
