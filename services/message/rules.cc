#include "services/message/rules.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "platform/auth/username.h"

namespace sv::message {
namespace {

constexpr int kMaxContent = 2000;
constexpr std::int64_t kMaxPage = 100;

constexpr std::array<std::string_view, 7> kKinds{"like", "comment", "reply", "follow", "follow_request", "live", "upload"};

// Unicode's White_Space in UTF-8.
constexpr std::string_view kSpaces[] = {" ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\u0085", "\u00a0", "\u1680",
                                        "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
                                        "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};

}  // namespace

Result<> check_content(std::string_view content) {
  SV_CHECK(auth::check_text("content", content, kMaxContent));
  std::string_view rest = content;
  for (;;) {
    const auto* space = std::ranges::find_if(kSpaces, [&](std::string_view s) { return rest.starts_with(s); });
    if (space == std::end(kSpaces)) break;
    rest.remove_prefix(space->size());
  }
  if (rest.empty()) return invalid("content", "required");
  return {};
}

std::int64_t page_size(std::int32_t asked, std::int64_t otherwise) { return asked <= 0 ? otherwise : std::min<std::int64_t>(asked, kMaxPage); }

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
  for (UserId id : actors) fmt::format_to(std::back_inserter(out), "{}{}", out.empty() ? "" : ",", id.value);
  return out;
}

}  // namespace sv::message
