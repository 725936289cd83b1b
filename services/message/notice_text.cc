#include "services/message/notice_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sv::message {
namespace {

// The second of each pair names the video.
struct Deed {
  std::string_view zh, zh_video, en, en_video;
};

Deed deed_of(Kind kind) {
  switch (kind) {
    case Kind::like:
      return {"赞了你的视频", "赞了你的视频《{}》", "liked your video", "liked your video “{}”"};
    case Kind::comment:
      return {"评论了你的视频", "评论了你的视频《{}》", "commented on your video",
              "commented on your video “{}”"};
    case Kind::reply:
      return {"回复了你的评论", "在视频《{}》中回复了你的评论", "replied to your comment",
              "replied to your comment on “{}”"};
    case Kind::follow:
      return {"关注了你", {}, "followed you", {}};
    case Kind::follow_request:
      return {"请求关注你", {}, "asked to follow you", {}};
    case Kind::live:
      return {"开始直播了", {}, "started a live stream", {}};
    case Kind::upload:
      return {"视频已就绪", "视频《{}》已就绪", "Your video is ready", "Your video “{}” is ready"};
    case Kind::upload_failed:
      return {"视频处理失败", "视频《{}》处理失败", "Your video could not be processed",
              "Your video “{}” could not be processed"};
  }
  std::unreachable();
}

// "小明、小红等5人"; "Ann, Bob and 3 others".
std::string who(const std::vector<std::string>& names, std::int64_t count, Lang lang) {
  const std::int64_t others = count - static_cast<std::int64_t>(names.size());
  if (lang == Lang::zh) {
    if (others <= 0 && !names.empty()) return fmt::format("{}", fmt::join(names, "、"));
    return names.empty() ? fmt::format("{}人", count)
                         : fmt::format("{}等{}人", fmt::join(names, "、"), count);
  }
  if (names.empty()) return count == 1 ? "someone" : fmt::format("{} people", count);
  if (others > 0)
    return fmt::format("{} and {} {}", fmt::join(names, ", "), others,
                       others == 1 ? "other" : "others");
  if (names.size() == 1) return names.front();
  return fmt::format("{} and {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

}  // namespace

NoticeText notice_text(Kind kind, const std::vector<std::string>& names, std::int64_t count,
                       std::string_view video, Lang lang) {
  const bool zh = lang == Lang::zh;
  const Deed deed = deed_of(kind);
  const std::string_view did = zh ? deed.zh : deed.en,
                         did_with = zh ? deed.zh_video : deed.en_video;
  const std::string whole = video.empty() || did_with.empty()
                                ? std::string(did)
                                : fmt::format(fmt::runtime(did_with), video);
  if (is_own(kind)) return {.title = std::string(did), .content = whole};
  const std::string_view space = zh ? "" : " ";
  const std::string people = count == 1 ? who(names, count, lang) : who({}, count, lang);
  return {.title = fmt::format("{}{}{}", people, space, did),
          .content = fmt::format("{}{}{}", who(names, count, lang), space, whole)};
}

}  // namespace sv::message
