#include "platform/auth/flat_json.h"

#include <charconv>

namespace sv::auth {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::optional<FlatObject> object() {
    FlatObject out;
    space();
    if (!take('{')) return std::nullopt;
    space();
    if (!take('}')) {
      do {
        space();
        auto name = string();
        if (!name || find_member(out, *name) != nullptr) return std::nullopt;
        space();
        if (!take(':')) return std::nullopt;
        space();
        auto value = this->value();
        if (!value) return std::nullopt;
        out.emplace_back(std::move(*name), std::move(*value));
        space();
      } while (take(','));
      if (!take('}')) return std::nullopt;
    }
    space();
    if (at_ != text_.size()) return std::nullopt;
    return out;
  }

 private:
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n'))
      ++at_;
  }

  // Escapes are only those of one byte: no claim of ours needs \u, and a name spelled with it is a
  // disguise.
  std::optional<std::string> string() {
    if (!take('"')) return std::nullopt;
    std::string out;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ >= text_.size()) return std::nullopt;
      switch (text_[at_++]) {
        case '"':
          out += '"';
          break;
        case '\\':
          out += '\\';
          break;
        case '/':
          out += '/';
          break;
        default:
          return std::nullopt;
      }
    }
    return std::nullopt;
  }

  std::optional<FlatValue> value() {
    if (at_ >= text_.size()) return std::nullopt;
    if (text_[at_] == '"') {
      auto s = string();
      if (!s) return std::nullopt;
      return FlatValue(std::move(*s));
    }
    if (take_word("true") || take_word("false") || take_word("null")) return FlatValue(Other{});
    return number();
  }

  std::optional<FlatValue> number() {
    const std::size_t start = at_;
    take('-');
    const std::size_t whole = at_;
    digits();
    if (at_ == whole || (text_[whole] == '0' && at_ - whole > 1)) return std::nullopt;
    const std::size_t end_of_whole = at_;
    if (take('.')) {
      const std::size_t fraction = at_;
      digits();
      if (at_ == fraction) return std::nullopt;
    }
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      const std::size_t exponent = at_;
      digits();
      if (at_ == exponent) return std::nullopt;
    }
    if (at_ != end_of_whole) return FlatValue(Other{});
    std::int64_t v = 0;
    if (std::from_chars(text_.data() + start, text_.data() + at_, v).ec != std::errc{})
      return FlatValue(Other{});
    return FlatValue(v);
  }
  void digits() {
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<FlatObject> parse_flat_json(std::string_view text) { return Reader(text).object(); }

const FlatValue* find_member(const FlatObject& object, std::string_view name) {
  for (const auto& [key, value] : object)
    if (key == name) return &value;
  return nullptr;
}

}  // namespace sv::auth
