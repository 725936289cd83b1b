#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/ids.h"
#include "platform/core/text.h"
#include "platform/media/media_tools.h"
#include "platform/ports/sql.h"

// The rows of the tables of migrations/ and the statements that more than one topic uses; the rest
// stand beside their use.
namespace sv::video {

enum class Status : std::int64_t {
  uploaded = 2,
  probing = 3,
  transcoding = 4,
  ready = 5,
  failed = 6,
  deleted = 9
};
enum class Visibility : std::int64_t { everyone = 0, unlisted = 1, owner = 2 };
enum class AssetState : std::int64_t { processing = 0, ready = 1, failed = 2, dead = 3 };
enum class ObjectState : std::int64_t {
  writing = 0,  // bytes may be on their way
  live = 1,     // a row refers to it
  dead = 2,     // to be purged
  staged = 3    // complete, waits for PublishVideo
};
// image and purge belong to a video, the others to an asset.
enum class JobKind : std::int64_t {
  probe = 1,
  cover = 2,
  image = 3,
  first = 4,
  sprite = 5,
  purge = 6,
  ladder = 7,
  playlist = 8  // of videos from before master playlists told codecs and frame rates
};
constexpr std::array kJobKinds{JobKind::probe,  JobKind::cover, JobKind::image,  JobKind::first,
                               JobKind::sprite, JobKind::purge, JobKind::ladder, JobKind::playlist};
enum class JobState : std::int64_t { queued = 0, running = 1, done = 2, dead = 3 };
enum class Lane : std::int64_t { quick = 0, encoding = 1 };
enum class RenditionState : std::int64_t { queued = 0, ready = 1, failed = 2 };

constexpr std::int64_t kProfile = 1;  // raise it when the encoding rules change

std::string_view status_name(Status s);
std::string_view visibility_name(Visibility v);
std::optional<Visibility> parse_visibility(std::string_view name);
std::string_view job_name(JobKind k);

template <class E>
  requires std::is_enum_v<E>
constexpr std::int64_t num(E e) {
  return static_cast<std::int64_t>(e);
}

// Shared by every copy of a row, so that a view never replaces the row.
struct ViewCounts {
  std::atomic<std::int64_t> raw{0};
  std::atomic<std::int64_t> counted{0};
};

// A video with what lists need of its asset. Immutable once shared.
// The addresses that go with a video; empty: none (yet).
struct Urls {
  Text video, cover, hls, sprite, track;
};

struct VideoRow {
  VideoId id;
  UserId author;
  Text title;
  Text description;
  std::vector<std::string> tags;
  Visibility visibility = Visibility::everyone;
  Status status = Status::uploaded;
  bool listed = false;
  std::int64_t publish_time = 0;
  std::int64_t create_time = 0;
  std::int64_t revision = 0;
  std::int64_t media_rev = 0;
  std::int64_t asset = 0;
  std::string cover;  // file; empty: its author gave none
  // of the asset
  std::int64_t duration_ms = 0;
  std::int64_t width = 0, height = 0;
  std::int64_t bit_rate = 0;
  std::string poster, sprite, master;  // files; empty: none (yet)
  std::string play_file;
  std::int64_t play_bytes = 0;
  std::string error;
  bool retryable = false;

  Urls open_urls;  // of a listed one that was loaded: while its author's account is not private

  std::shared_ptr<ViewCounts> views = std::make_shared<ViewCounts>();

  bool owned_by(UserId user) const { return user && user == author; }
  // Whom a request by id may show it to.
  bool visible_to(UserId user) const {
    if (status == Status::deleted) return false;
    return owned_by(user) || (status == Status::ready && visibility != Visibility::owner);
  }
};
using VideoPtr = std::shared_ptr<const VideoRow>;

struct AssetRow {
  std::int64_t id = 0;
  AssetState state = AssetState::processing;
  std::string source_key;
  std::int64_t bytes = 0;
  media::MediaInfo info;
  UserId user;  // author of one of its videos
};

struct Job {
  std::int64_t id = 0;
  std::int64_t subject = 0;
  JobKind kind = JobKind::probe;
  std::int64_t attempt = 0;  // 1 on the first try
  std::int64_t run = 0;      // of this try alone: the lease is (id, run)
};

std::string join_tags(const std::vector<std::string>& tags);
std::vector<std::string> split_tags(std::string_view joined);

// The columns that read_video expects, from video_videos v, video_assets a and video_stats s.
#define SV_VIDEO_SELECT                                                                            \
  "SELECT v.id, v.author_id, v.title, v.description, v.tags, v.visibility, v.status, v.listed, "   \
  "v.publish_time, "                                                                               \
  "v.create_time, v.revision, v.media_rev, v.asset_id, v.cover_file, a.duration_ms, a.width, "     \
  "a.height, a.bit_rate, "                                                                         \
  "a.poster_file, a.sprite_file, a.master_file, a.play_file, a.play_bytes, a.error, a.retryable, " \
  "s.raw, s.counted "                                                                              \
  "FROM video_videos v LEFT JOIN video_assets a ON a.id = v.asset_id LEFT JOIN video_stats s ON "  \
  "s.video_id = v.id "
std::shared_ptr<VideoRow> read_video(const sql::Rows& rows, std::size_t row);

// By primary key. find_video leaves out deleted ones.
Result<VideoPtr> find_video(sql::Tx& tx, VideoId id);  // null: none
Result<std::vector<VideoPtr>> videos_of_asset(sql::Tx& tx, std::int64_t asset);
Result<std::optional<AssetRow>> find_asset(sql::Tx& tx, std::int64_t id);
Task<Result<std::optional<AssetRow>>> find_asset(sql::Database& db, std::int64_t id);

// The ledger. begin_object also takes over the row that an interrupted upload left. kill_object's
// `when`: not purged before.
Result<> begin_object(sql::Tx& tx, std::string_view key, std::int64_t owner, UserId user,
                      std::int64_t now);
Result<> set_object_live(sql::Tx& tx, std::string_view key, std::int64_t bytes, std::int64_t now);
Result<> kill_objects(sql::Tx& tx, std::int64_t owner, std::int64_t now);
Result<> kill_object(sql::Tx& tx, std::string_view key, std::int64_t when);
Result<> forget_object(sql::Tx& tx, std::string_view key);

// Adds the job, or queues it again from its first attempt. `id` is used when it is new. A lane
// takes its jobs by rank: what makes a video watchable ranks by the age of the upload, so that the
// older one is finished first; the rest as if it had come half a minute later, so that it lets
// newer uploads pass, but not for ever.
Result<> queue_job(sql::Tx& tx, std::int64_t id, std::int64_t subject, JobKind kind, Lane lane,
                   std::int64_t now);

// Counts of an author and of everyone.
Result<> count_videos(sql::Tx& tx, UserId author, std::int64_t owned, std::int64_t listed);

}  // namespace sv::video
