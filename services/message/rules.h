#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "idl/message.h"
#include "platform/core/error.h"

// Rules without state. Peers that call by RPC pass no JSON edge, so the service checks its bounds
// itself.
namespace sv::message {

constexpr std::size_t kShownActors = 3;  // of a group of notifications

// Something visible, ≤ 2000 characters, UTF-8 without NUL.
Result<> check_content(std::string_view content);

// The two of a conversation, in the order of its row.
struct Pair {
  UserId low, high;
  Pair(UserId a, UserId b) : low(a < b ? a : b), high(a < b ? b : a) {}
};

enum class Kind : std::int64_t {
  like = 1,
  comment = 2,
  reply = 3,
  follow = 4,
  follow_request = 5,
  live = 6,
  upload = 7,
  upload_failed = 8
};
std::string_view kind_name(Kind kind);
// Told by the system of one's own video: no person did it.
constexpr bool is_own(Kind kind) { return kind == Kind::upload || kind == Kind::upload_failed; }
std::optional<Kind> parse_kind(std::string_view name);
std::optional<Kind> parse_kind(std::int64_t number);

// A setting's bit in message_settings.off. Messages make no notification in a list; theirs is for
// what is pushed.
struct Setting {
  std::int64_t bit;
  std::optional<bool> NotificationSettings::* shown;
  std::optional<bool> SetNotificationSettingsReq::* asked;
};
std::array<Setting, 7> settings();
std::int64_t setting_bit(Kind kind);

// The newest actors of a group as its row keeps them: "3,2,1".
std::vector<UserId> parse_actors(std::string_view text);
std::string actors_text(const std::vector<UserId>& actors);

}  // namespace sv::message
