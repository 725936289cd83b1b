#include "services/message/rules.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "platform/text/text.h"

namespace sv::message {
namespace {

constexpr int kMaxContent = 2000;

constexpr std::array<std::string_view, 8> kKinds{
    "like", "comment", "reply", "follow", "follow_request", "live", "upload", "upload_failed"};

}  // namespace

Result<> check_content(std::string_view content) {
  return check_visible_text("content", content, kMaxContent);
}

std::string_view kind_name(Kind kind) { return kKinds[static_cast<std::size_t>(kind) - 1]; }

std::optional<Kind> parse_kind(std::string_view name) {
  const auto* at = std::ranges::find(kKinds, name);
  if (at == kKinds.end()) return std::nullopt;
  return static_cast<Kind>(at - kKinds.begin() + 1);
}

std::optional<Kind> parse_kind(std::int64_t number) {
  if (number < 1 || number > static_cast<std::int64_t>(kKinds.size())) return std::nullopt;
  return static_cast<Kind>(number);
}

std::array<Setting, 7> settings() {
  using Shown = NotificationSettings;
  using Asked = SetNotificationSettingsReq;
  return {{{1, &Shown::like, &Asked::like},
           {2, &Shown::comment, &Asked::comment},
           {4, &Shown::reply, &Asked::reply},
           {8, &Shown::follow, &Asked::follow},
           {16, &Shown::live, &Asked::live},
           {32, &Shown::upload, &Asked::upload},
           {64, &Shown::message, &Asked::message}}};
}

std::int64_t setting_bit(Kind kind) {
  switch (kind) {
    case Kind::like:
      return 1;
    case Kind::comment:
      return 2;
    case Kind::reply:
      return 4;
    case Kind::follow:
    case Kind::follow_request:
      return 8;
    case Kind::live:
      return 16;
    case Kind::upload:
    case Kind::upload_failed:
      return 32;
  }
  std::unreachable();
}

std::vector<UserId> parse_actors(std::string_view text) {
  std::vector<UserId> out;
  while (!text.empty()) {
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc{}) break;
    out.push_back(UserId(id));
    text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(end - text.data()) + 1));
  }
  return out;
}

std::string actors_text(const std::vector<UserId>& actors) {
  std::string out;
  for (UserId id : actors)
    fmt::format_to(std::back_inserter(out), "{}{}", out.empty() ? "" : ",", id.value);
  return out;
}

}  // namespace sv::message
