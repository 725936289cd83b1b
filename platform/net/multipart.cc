#include "platform/net/multipart.h"

#include <cstring>

#include "platform/core/ascii.h"
#include "platform/net/uri.h"

namespace sv::net {
namespace {

constexpr std::size_t kMaxBoundary = 70, kMaxHead = 8 * 1024, kMaxPadding = 256;
constexpr int kMaxFields = 100;

std::unexpected<Error> broken(std::string detail) {
  return fail(Errc::rejected, "multipart_invalid", std::move(detail));
}

// One `; name=value` of a header value; the value may be a quoted-string. Browsers leave
// backslashes of Windows paths as they are, so only \" and \\ are escapes. False at the end;
// nullopt when it is malformed.
struct Parameter {
  std::string_view name;
  std::string value;
};
std::optional<bool> next_parameter(std::string_view& rest, Parameter& out) {
  rest = trim_blanks(rest);
  if (rest.empty()) return false;
  if (rest.front() != ';') return std::nullopt;
  rest = trim_blanks(rest.substr(1));
  if (rest.empty()) return false;
  std::size_t equals = rest.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  out.name = trim_blanks(rest.substr(0, equals));
  if (out.name.find_first_of("\"; ") != std::string_view::npos) return std::nullopt;
  out.value.clear();
  rest = trim_blanks(rest.substr(equals + 1));
  if (rest.empty() || rest.front() != '"') {
    std::string_view token = rest.substr(0, rest.find(';'));
    rest.remove_prefix(token.size());
    out.value = trim_blanks(token);
    if (out.value.find_first_of("\" ") != std::string::npos) return std::nullopt;
    return true;
  }
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return true;
    }
    if (rest[i] == '\\' && i + 1 < rest.size() && (rest[i + 1] == '"' || rest[i + 1] == '\\')) ++i;
    out.value.push_back(rest[i]);
  }
  return std::nullopt;
}

// RFC 8187: UTF-8'language'percent-encoded.
std::optional<std::string> extended_value(std::string_view s) {
  std::size_t first = s.find('\''),
              second = first == std::string_view::npos ? first : s.find('\'', first + 1);
  if (second == std::string_view::npos || !same_ignoring_case(s.substr(0, first), "utf-8"))
    return std::nullopt;
  return decode_path(s.substr(second + 1));
}

bool valid_boundary(std::string_view b) {
  if (b.empty() || b.size() > kMaxBoundary || b.back() == ' ') return false;
  for (char c : b) {
    bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    if (!alnum && std::string_view("'()+_,-./:=? ").find(c) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace

Result<std::string> MultipartParser::boundary(std::string_view content_type) {
  std::size_t semicolon = std::min(content_type.find(';'), content_type.size());
  if (!same_ignoring_case(trim_blanks(content_type.substr(0, semicolon)), "multipart/form-data"))
    return fail(Errc::unsupported_media);
  std::string_view rest = content_type.substr(semicolon);
  std::optional<std::string> found;
  Parameter parameter;
  for (;;) {
    auto more = next_parameter(rest, parameter);
    if (!more) return broken("the Content-Type is malformed");
    if (!*more) break;
    if (!same_ignoring_case(parameter.name, "boundary")) continue;
    if (found) return broken("two boundaries");
    found = parameter.value;
  }
  if (!found || !valid_boundary(*found)) return broken("no valid boundary");
  return *found;
}

MultipartParser::MultipartParser(std::string boundary) : delimiter_("\r\n--" + boundary) {}

void MultipartParser::feed(std::span<const std::byte> bytes) { input_ = bytes; }

bool MultipartParser::done() const { return state_ == State::epilogue; }

Result<std::optional<MultipartParser::Step>> MultipartParser::next() {
  while (!input_.empty()) {
    switch (state_) {
      case State::preamble:
      case State::data: {
        SV_TRY(auto step, next_data());
        if (step) return step;
        break;
      }
      case State::after_boundary:
        SV_CHECK(read_after_boundary());
        if (state_ == State::epilogue) return Step{.event = Event::end, .data = {}};
        break;
      case State::head: {
        SV_TRY(bool complete, read_head());
        if (complete) return Step{.event = Event::part_begin, .data = {}};
        break;
      }
      case State::epilogue:
        input_ = {};
        break;
    }
  }
  return std::optional<Step>();
}

// Looks for the delimiter. CR occurs in it only in front, so a match that fails need only be
// retried at the byte that broke it, and what had matched is data that equals the delimiter's
// beginning.
Result<std::optional<MultipartParser::Step>> MultipartParser::next_data() {
  const char* bytes = reinterpret_cast<const char*>(input_.data());
  std::size_t size = input_.size(), at = 0;
  bool in_part = state_ == State::data;
  if (matched_ == 0) {
    for (;;) {
      const void* found = std::memchr(bytes + at, '\r', size - at);
      if (!found) {
        at = size;
        break;
      }
      at = static_cast<std::size_t>(static_cast<const char*>(found) - bytes);
      if (std::memcmp(bytes + at, delimiter_.data(), std::min(delimiter_.size(), size - at)) == 0)
        break;
      ++at;
    }
    auto data = input_.first(at);
    input_ = input_.subspan(at);
    if (!input_.empty()) {
      matched_ = 1;
      input_ = input_.subspan(1);
    }
    if (in_part && at > 0) return Step{.event = Event::data, .data = data};
    return std::optional<Step>();
  }
  while (at < size && matched_ < delimiter_.size() && bytes[at] == delimiter_[matched_])
    ++at, ++matched_;
  input_ = input_.subspan(at);
  if (matched_ == delimiter_.size()) {
    matched_ = 0;
    held_.clear();
    state_ = State::after_boundary;
    if (in_part) return Step{.event = Event::part_end, .data = {}};
  } else if (!input_.empty()) {
    std::size_t n = std::exchange(matched_, 0);
    if (in_part)
      return Step{.event = Event::data, .data = std::as_bytes(std::span(delimiter_).first(n))};
  }
  return std::optional<Step>();
}

// After the delimiter: "--" ends the body, else white space and CRLF begin a part.
Result<> MultipartParser::read_after_boundary() {
  while (!input_.empty()) {
    held_.push_back(static_cast<char>(input_.front()));
    input_ = input_.subspan(1);
    if (held_ == "--") {
      state_ = State::epilogue;
      return {};
    }
    if (held_.ends_with("\r\n")) {
      if (!trim_blanks(std::string_view(held_).substr(0, held_.size() - 2)).empty())
        return broken("text after a boundary");
      if (++parts_ > kMaxFields) return broken("too many parts");
      state_ = State::head;
      held_.clear();
      return {};
    }
    char last = held_.back();
    bool fits = last == ' ' || last == '\t' || last == '\r' || (last == '-' && held_.size() == 1);
    if (!fits || held_.size() > kMaxPadding) return broken("text after a boundary");
  }
  return {};
}

Result<bool> MultipartParser::read_head() {
  while (!input_.empty()) {
    held_.push_back(static_cast<char>(input_.front()));
    input_ = input_.subspan(1);
    if (held_.size() > kMaxHead) return broken("a part's head is too long");
    if (held_.back() != '\n') continue;
    if (!held_.ends_with("\r\n")) return broken("a bare line feed in a part's head");
    if (held_.size() != 2 && !held_.ends_with("\r\n\r\n")) continue;
    SV_CHECK(parse_head(held_));
    held_.clear();
    state_ = State::data;
    return true;
  }
  return false;
}

Result<> MultipartParser::parse_head(std::string_view head) {
  part_ = {};
  bool named = false;
  while (head != "\r\n" && !head.empty()) {
    std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(line.size() + 2);
    if (line.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos)
      return broken("a control byte in a part's head");
    std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || line.front() == ' ' ||
        line.front() == '\t')
      return broken("a part's head is malformed");
    std::string_view name = line.substr(0, colon), value = trim_blanks(line.substr(colon + 1));
    if (same_ignoring_case(name, "content-type")) part_.content_type = value;
    if (!same_ignoring_case(name, "content-disposition")) continue;
    std::size_t semicolon = std::min(value.find(';'), value.size());
    if (named || !same_ignoring_case(trim_blanks(value.substr(0, semicolon)), "form-data"))
      return broken("a part is not form-data");
    value.remove_prefix(semicolon);
    std::optional<std::string> extended;
    Parameter parameter;
    for (;;) {
      auto more = next_parameter(value, parameter);
      if (!more) return broken("a Content-Disposition is malformed");
      if (!*more) break;
      if (same_ignoring_case(parameter.name, "name")) {
        if (std::exchange(named, true)) return broken("two names");
        part_.name = parameter.value;
      } else if (same_ignoring_case(parameter.name, "filename")) {
        part_.filename = parameter.value;
      } else if (same_ignoring_case(parameter.name, "filename*")) {
        extended = extended_value(parameter.value);
        if (!extended) return broken("a filename* is malformed");
      }
    }
    if (extended) part_.filename = std::move(*extended);
  }
  if (!named || part_.name.empty()) return broken("a part has no name");
  return {};
}

}  // namespace sv::net
