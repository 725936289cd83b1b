#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "platform/core/error.h"
#include "platform/rpc/thrift.h"

// The head of a Thrift message and TApplicationException (docs/wire.md).
namespace sv::rpc {

enum class MessageType : std::uint8_t { call = 1, reply = 2, exception = 3, oneway = 4 };

struct MessageHead {
  MessageType type = MessageType::call;
  std::string_view method;  // points into the payload
  std::int32_t seqid = 0;
};

enum class ExceptionType : std::int32_t {
  unknown_method = 1,
  bad_type = 2,
  internal = 6,
  protocol = 7,
  unknown_service = 20
};

// What a server answers: `close` asks to end the connection after it; an empty payload is no
// answer.
struct Served {
  std::string payload;
  bool close = false;
};

void write_head(std::string& out, const MessageHead& head);
bool read_head(Reader& in, MessageHead& head);

std::string exception_message(const MessageHead& call, ExceptionType type, std::string_view text);

// The reply to `method`, up to its result struct. An exception message becomes an Error: a method
// or service that the peer does not know is `absent`, everything else `internal`.
Result<Reader> open_reply(std::string_view payload, std::string_view method, std::int32_t seqid);

}  // namespace sv::rpc
