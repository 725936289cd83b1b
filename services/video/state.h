#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "services/parts/gone_people.h"
#include "services/parts/list_head.h"
#include "services/parts/object_cache.h"
#include "services/video/service.h"
#include "services/video/store.h"

namespace sv::video {

// What the rules, the job slots and fsck share. Thread-safe.
struct State {
  struct AuthorCounts {
    std::int64_t owned = 0, listed = 0;
  };

  State(VideoDeps d, VideoOptions o) : deps(std::move(d)), options(std::move(o)) {}

  std::int64_t now() const { return deps.clock.now_ms(); }

  // The only way in which a video's row changes: writes `after` (its revision rises), and keeps
  // `listed`, publish_time, the counts, the event, the caches and the content revision true to it.
  Result<> save(sql::Tx& tx, const VideoRow& before, VideoRow after);
  Result<> create(sql::Tx& tx, VideoRow row);
  // Queues the job and wakes a slot once it is committed.
  Result<> queue(sql::Tx& tx, std::int64_t subject, JobKind kind, Lane lane);

  // In the order of `ids`, null where there is none (or a deleted one). One statement for those
  // that are not cached.
  Task<Result<std::vector<VideoPtr>>> load(const Ctx& ctx, std::vector<VideoId> ids);
  // The same past the cache: an event may be seen between its COMMIT and the moment when the cached
  // row goes, and who reads the old row then never hears of the change again.
  Task<Result<std::vector<VideoPtr>>> load_committed(const Ctx& ctx, std::vector<VideoId> ids);
  Task<Result<VideoPtr>> load_one(const Ctx& ctx, VideoId id);
  // An entry for each of `ids`, which are distinct; UserId 0 counts everyone's.
  Task<Result<std::map<UserId, AuthorCounts>>> counts_of(const Ctx& ctx,
                                                         const std::vector<UserId>& ids);
  // A list of listed videos by (publish time, id), newest first. `name` is unique among lists and
  // keys; `sql` takes ($1 publish time, $2 id, $3 limit) and, where there are many such lists, $4.
  struct List {
    std::string name;
    std::string_view sql;
    std::optional<sql::Value> key = std::nullopt;
    std::size_t kept = 200;  // of its newest entries, in memory
  };
  // At most `count` entries behind `after`.
  Task<Result<std::vector<Entry>>> entries_in(const Ctx& ctx, List list, Entry after,
                                              std::size_t count);

  // As it is kept: with what every answer says of it.
  VideoPtr loaded(const sql::Rows& rows, std::size_t row) const;

  VideoDeps deps;
  VideoOptions options;
  const GonePeople gone{"video_gone"};
  ObjectCache<VideoId, VideoPtr> rows{deps.memory()};
  std::atomic<std::uint64_t> listings{0};  // commits that may have changed a list of listed videos
  // A list's newest end, good while `listings` is what it was before the list was read.
  struct KnownList {
    std::uint64_t listings = 0;
    ListHeadPtr head;
  };
  ObjectCache<std::string, KnownList> lists{deps.memory(), 16'384};  // by name
  ObjectCache<UserId, AuthorCounts> authors{deps.memory()};          // 0: everyone
  std::atomic<std::uint64_t> ranked{0};  // commits that may change the order of the hot list
  std::function<void()> wake = [] {};    // set before anything is queued

 private:
  // `was`: the status before, empty for a new video.
  Result<> announce(sql::Tx& tx, const VideoRow& row, std::string_view was, bool listing);
  // Brings video_tags and its counts from what `before` said to what `after` says; null: not
  // listed.
  Result<> retag(sql::Tx& tx, const VideoRow* before, const VideoRow* after);
};

}  // namespace sv::video
