#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"
#include "platform/rpc/message.h"

// How the peers of a cluster know each other at the start of a connection (docs/wire.md,
// docs/adr/0015-peers-prove-a-secret.md): each proves that it has `rpc.secret` by an HMAC-SHA256
// over both sides' nonces, which are new with each connection. The secret itself never travels.
namespace sv::rpc {

// Methods that every server of ours has beside its service's.
// (1: nonce) → nonce + proof, 101: the service that is served here
inline constexpr std::string_view kHello = "ShortvideoHello";
inline constexpr std::string_view kProve = "ShortvideoProve";  // (1: proof) → bool
inline constexpr std::string_view kPing = "ShortvideoPing";    // () → true
inline constexpr std::string_view kLeave = "ShortvideoLeave";  // one way, from a server that stops
inline constexpr std::string_view kOwnMethods = "Shortvideo";  // what they begin with

inline constexpr std::size_t kNonceBytes = 16;
std::string new_nonce();

enum class Side : unsigned char { client, server };
// `client` and `server` are the nonces.
std::string proof(Side side, std::string_view secret, std::string_view client,
                  std::string_view server);
// Whether one of the secrets gives it: while secrets change, both are good.
bool proves(std::string_view given, Side side, const std::vector<std::string>& secrets,
            std::string_view client, std::string_view server);

// Messages with at most one text or bool.
std::string text_call(std::string_view method, std::string_view text,
                      MessageType type = MessageType::call);
std::string text_reply(const MessageHead& call, std::string_view text);
std::string hello_reply(const MessageHead& call, std::string_view text, std::string_view service);
std::string bool_reply(const MessageHead& call, bool value);
std::optional<std::string> read_text_call(std::string_view payload, MessageHead& head);
struct HelloReply {
  std::string text;
  std::string service;  // empty: it does not say
};
Result<HelloReply> read_hello_reply(std::string_view payload);
Result<std::string> read_text_reply(std::string_view payload, std::string_view method);
Result<bool> read_bool_reply(std::string_view payload, std::string_view method);

}  // namespace sv::rpc
