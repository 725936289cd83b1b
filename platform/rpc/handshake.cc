#include "platform/rpc/handshake.h"

#include <algorithm>

#include "platform/crypto/random.h"
#include "platform/crypto/sha256.h"

namespace sv::rpc {
namespace {

constexpr std::int32_t kSeqid = 1;  // one call a message; the frame's tells them apart
constexpr std::int16_t kServiceField = 101;

template <class T>
Result<T> read_reply(std::string_view payload, std::string_view method) {
  SV_TRY(Reader in, open_reply(payload, method, kSeqid));
  T value{};
  for (std::uint32_t key = 0; in.next(key);) {
    if (key == field_key(0, kTypeOf<T>)) in.get(value);
    else in.skip(key);
  }
  if (!in.ok()) return fail(Errc::internal, {}, "the reply is malformed");
  return value;
}

template <class T>
std::string reply(const MessageHead& call, const T& value) {
  std::string out;
  write_head(out, {.type = MessageType::reply, .method = call.method, .seqid = call.seqid});
  write_field(out, 0, value);
  write_stop(out);
  return out;
}

}  // namespace

std::string new_nonce() { return random_bytes(kNonceBytes); }

std::string proof(Side side, std::string_view secret, std::string_view client,
                  std::string_view server) {
  std::string text = side == Side::client ? "shortvideo rpc client\n" : "shortvideo rpc server\n";
  text.append(client).append(server);
  return hmac_sha256(secret, text);
}

bool proves(std::string_view given, Side side, const std::vector<std::string>& secrets,
            std::string_view client, std::string_view server) {
  return std::ranges::any_of(secrets, [&](const std::string& secret) {
    return equal_constant_time(given, proof(side, secret, client, server));
  });
}

std::string text_call(std::string_view method, std::string_view text, MessageType type) {
  std::string out;
  write_head(out, {.type = type, .method = method, .seqid = kSeqid});
  write_field(out, 1, std::string(text));
  write_stop(out);
  return out;
}

std::string text_reply(const MessageHead& call, std::string_view text) {
  return reply(call, std::string(text));
}
std::string hello_reply(const MessageHead& call, std::string_view text, std::string_view service) {
  std::string out;
  write_head(out, {.type = MessageType::reply, .method = call.method, .seqid = call.seqid});
  write_field(out, 0, std::string(text));
  write_field(out, kServiceField, std::string(service));
  write_stop(out);
  return out;
}
std::string bool_reply(const MessageHead& call, bool value) { return reply(call, value); }

std::optional<std::string> read_text_call(std::string_view payload, MessageHead& head) {
  Reader in(payload);
  std::string text;
  if (!read_head(in, head)) return std::nullopt;
  for (std::uint32_t key = 0; in.next(key);) {
    if (key == field_key(1, kString)) in.get(text);
    else in.skip(key);
  }
  if (!in.ok()) return std::nullopt;
  return text;
}

Result<HelloReply> read_hello_reply(std::string_view payload) {
  SV_TRY(Reader in, open_reply(payload, kHello, kSeqid));
  HelloReply out;
  for (std::uint32_t key = 0; in.next(key);) {
    if (key == field_key(0, kString)) in.get(out.text);
    else if (key == field_key(kServiceField, kString)) in.get(out.service);
    else in.skip(key);
  }
  if (!in.ok()) return fail(Errc::internal, {}, "the reply is malformed");
  return out;
}
Result<std::string> read_text_reply(std::string_view payload, std::string_view method) {
  return read_reply<std::string>(payload, method);
}
Result<bool> read_bool_reply(std::string_view payload, std::string_view method) {
  return read_reply<bool>(payload, method);
}

}  // namespace sv::rpc
