#include "services/user/rules.h"

#include <charconv>

#include "platform/text/text.h"

namespace sv::user {
namespace {

constexpr int kMaxAvatar = 500;
constexpr int kMaxAbout = 300;

// A link that a client will open: a scheme that could run something has no place in it.
bool harmless_link(std::string_view link) {
  const auto colon = link.find_first_of(":/?#");
  if (colon == std::string_view::npos || link[colon] != ':') return !link.starts_with("//");
  return link.starts_with("http://") || link.starts_with("https://");
}

}  // namespace

Result<> check_profile(const std::optional<std::string>& avatar,
                       const std::optional<std::string>& about) {
  if (avatar) {
    SV_CHECK(check_text("avatar", *avatar, kMaxAvatar));
    for (char c : *avatar)
      if (static_cast<unsigned char>(c) <= 0x20)
        return invalid("avatar", "invalid", "blank or control character");
    if (!harmless_link(*avatar)) return invalid("avatar", "invalid", "not an http address");
  }
  if (about) SV_CHECK(check_text("about", *about, kMaxAbout));
  return {};
}

std::int64_t session_id(std::string_view sid) {
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(sid.data(), sid.data() + sid.size(), id);
  return error == std::errc{} && end == sid.data() + sid.size() && id > 0 ? id : 0;
}

std::string tame(std::string_view text) {
  constexpr std::size_t kMax = 200;
  std::string out(text.substr(0, kMax));
  for (char& c : out)
    if (c < 0x20 || c > 0x7E) c = '?';
  return out;
}

}  // namespace sv::user
