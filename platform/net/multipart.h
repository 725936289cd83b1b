#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "platform/core/error.h"

namespace sv::net {

// Incremental multipart/form-data parser (RFC 7578, RFC 2046), no I/O. Feed it bytes; it calls back with part heads and data in
// order. Data spans point into the bytes fed. Bounds: boundary ≤ 70 bytes, ≤ 100 parts, part head ≤ 8 KiB. Errors are
// Errc::invalid_argument / rejected with token "multipart_invalid".
class MultipartParser {
 public:
  struct Part {
    std::string name;       // field name
    std::string filename;   // as sent; never used as a path
    std::string content_type;
  };
  enum class Event { part_begin, data, part_end, end };
  struct Step {
    Event event = Event::end;
    std::span<const std::byte> data;   // Event::data only
  };

  // The boundary of a Content-Type header; an error unless it is multipart/form-data with a valid one.
  static Result<std::string> boundary(std::string_view content_type);

  explicit MultipartParser(std::string boundary);
  // Gives the parser the next bytes; call next() until it yields nullopt, then feed() again. The bytes must stay until then.
  void feed(std::span<const std::byte> bytes);
  Result<std::optional<Step>> next();
  const Part& part() const { return part_; }
  bool done() const;   // the closing boundary was seen

 private:
  enum class State { preamble, after_boundary, head, data, epilogue };
  Part part_;
  std::string delimiter_;   // "\r\n--boundary"
  std::string held_;        // bytes carried from one feed to the next
  std::span<const std::byte> input_;
  State state_ = State::preamble;
  int parts_ = 0;
};

}  // namespace sv::net
