#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace sv::net {

// Reads one HTTP/1.x request (RFC 9112) from bytes, no I/O. Boost.Beast parses; this class refuses
// what two parsers could read differently (request smuggling): bare LF, obs-fold, Content-Length
// with Transfer-Encoding or given twice, any transfer coding but "chunked", a missing or repeated
// Host, control bytes in chunk extensions. Views point into the caller's buffer.
class RequestParser {
 public:
  enum class Outcome : unsigned char { need_more, ready, malformed, too_large };

  struct Field {
    std::string_view name;
    std::string_view value;
  };

  struct Head {
    std::string_view method;
    std::string_view path;   // of origin-form or absolute-form; "*" for OPTIONS *
    std::string_view query;  // after '?'
    std::vector<Field> fields;
    std::optional<std::uint64_t> content_length;
    bool http_1_1 = false;
    bool keep_alive = false;
    bool chunked = false;
    bool expects_continue = false;

    std::string_view find(
        std::string_view name) const;  // case-insensitive, the first; empty when absent
  };

  struct Piece {
    std::size_t consumed = 0;  // drop so many bytes of the input before the next call
    std::string_view data;     // of the body, within the input
    bool malformed = false;
  };

  RequestParser(std::size_t header_bytes, std::size_t header_fields);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  void reset();  // before the next request
  // `buffer` is everything received since reset(), at a place that does not move once this yields
  // `ready`.
  Outcome parse_head(std::string_view buffer);
  const Head& head() const;
  std::size_t head_bytes() const;  // after `ready`: the body starts here

  // Takes the next bytes of the body. No data and nothing consumed: call again with the same bytes
  // and more after them.
  Piece decode(std::string_view input);
  bool done() const;  // the whole request was read

 private:
  class Beast;
  Outcome scan(std::string_view buffer);

  const std::size_t header_bytes_, header_fields_;
  std::unique_ptr<Beast> beast_;
  std::size_t begin_ = 0;  // of the request line: an empty line before it is forgiven
  std::size_t line_ = 0;   // start of the line that is being looked at
  std::size_t scanned_ = 0;
  std::size_t lines_ = 0;
  std::size_t end_ = 0;
};

}  // namespace sv::net
