#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"
#include "services/message/rules.h"

namespace sv::message {

struct NoticeText {
  std::string title, content;
};

// What a group says to its reader: how many did what, and who. `names` are the newest of `count`;
// `video` may be empty.
NoticeText notice_text(Kind kind, const std::vector<std::string>& names, std::int64_t count,
                       std::string_view video, Lang lang);

}  // namespace sv::message
