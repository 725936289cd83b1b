#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "platform/core/error.h"

namespace sv::net {

// Incremental multipart/form-data parser (RFC 7578, RFC 2046), no I/O. Feed it bytes; it calls back
// with part heads and data in order. Data spans point into the bytes fed, or into the parser until
// it is fed again. Bounds: boundary ≤ 70 bytes, ≤ 100 parts, part head ≤ 8 KiB. Errors are
// Errc::rejected with token "multipart_invalid"; after one the parser is of no more use.
class MultipartParser {
 public:
  struct Part {
    std::string name;      // field name
    std::string filename;  // as sent; never used as a path
    std::string content_type;
  };
  enum class Event { part_begin, data, part_end, end };
  struct Step {
    Event event = Event::end;
    std::span<const std::byte> data;  // Event::data only
  };

  // The boundary of a Content-Type header. Another type is Errc::unsupported_media; a bad boundary
  // is an error as above.
  static Result<std::string> boundary(std::string_view content_type);

  explicit MultipartParser(std::string boundary);
  // Gives the parser the next bytes; call next() until it yields nullopt, then feed() again. The
  // bytes must stay until then.
  void feed(std::span<const std::byte> bytes);
  Result<std::optional<Step>> next();
  const Part& part() const { return part_; }
  bool done() const;  // the closing boundary was seen

 private:
  enum class State { preamble, after_boundary, head, data, epilogue };
  Result<std::optional<Step>> next_data();
  Result<> read_after_boundary();
  Result<bool> read_head();
  Result<> parse_head(std::string_view head);

  Part part_;
  std::string delimiter_;  // "\r\n--boundary"
  std::size_t matched_ =
      2;  // bytes of the delimiter seen last; the first one needs no CRLF before it
  std::string
      held_;  // a part head or the rest of a boundary line, carried from one feed to the next
  std::span<const std::byte> input_;
  State state_ = State::preamble;
  int parts_ = 0;
};

}  // namespace sv::net
