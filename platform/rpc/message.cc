#include "platform/rpc/message.h"

namespace sv::rpc {
namespace {

constexpr std::uint32_t kVersion = 0x80010000;

}  // namespace

void write_head(std::string& out, const MessageHead& head) {
  put_big_endian(out, kVersion | static_cast<std::uint32_t>(head.type));
  write(out, head.method);
  write(out, head.seqid);
}

bool read_head(Reader& in, MessageHead& head) {
  std::int32_t version = 0;
  in.get(version);
  auto bits = static_cast<std::uint32_t>(version);
  std::uint32_t type = bits & 0xff;
  if ((bits & 0xffffff00) != kVersion || type < 1 || type > 4) in.fail();
  head.type = static_cast<MessageType>(type);
  head.method = in.text();
  in.get(head.seqid);
  return in.ok();
}

std::string exception_message(const MessageHead& call, ExceptionType type, std::string_view text) {
  std::string out;
  write_head(out, {.type = MessageType::exception, .method = call.method, .seqid = call.seqid});
  write_field(out, 1, std::string(text));
  write_field(out, 2, static_cast<std::int32_t>(type));
  write_stop(out);
  return out;
}

Result<Reader> open_reply(std::string_view payload, std::string_view method, std::int32_t seqid) {
  Reader in(payload);
  MessageHead head;
  if (!read_head(in, head)) return fail(Errc::internal, {}, "reply is not a Thrift message");
  if (head.type == MessageType::exception) {
    std::string text;
    std::int32_t type = 0;
    for (std::uint32_t key = 0; in.next(key);) {
      switch (key) {
        case field_key(1, kString):
          in.get(text);
          break;
        case field_key(2, kI32):
          in.get(type);
          break;
        default:
          in.skip(key);
      }
    }
    auto kind = static_cast<ExceptionType>(type);
    bool unknown = kind == ExceptionType::unknown_method || kind == ExceptionType::unknown_service;
    return fail(unknown ? Errc::absent : Errc::internal, {}, "peer: " + text);
  }
  if (head.type != MessageType::reply || head.method != method || head.seqid != seqid)
    return fail(Errc::internal, {}, "reply to another call");
  return in;
}

}  // namespace sv::rpc
