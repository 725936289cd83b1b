#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "services/video/state.h"

namespace sv::video {

// Views that wait for the next write: one transaction a second, so a crash loses at most the views
// of a second. A view that was taken is kept until it is written, however often the write fails,
// and counts once, though nobody can tell whether a write that failed was one; what is more than
// the bound is refused and counted. Thread-safe; flush() by one caller at a time.
class ViewBuffer {
 public:
  explicit ViewBuffer(State& state);

  // `viewer` empty: counted as a beacon only. False: the buffer is full (the writer is far behind).
  bool add(VideoId video, const std::string& viewer);
  Task<Result<>> flush();

 private:
  struct Batch {
    std::int64_t id = 0;  // in video_view_batches once it is written
    std::map<VideoId, std::int64_t> raw;
    std::set<std::pair<std::string, VideoId>> viewers;
    std::size_t size() const { return raw.size() + viewers.size(); }
  };
  static Result<std::map<VideoId, std::int64_t>> count_new(sql::Tx& tx, const Batch& batch,
                                                           std::int64_t day);
  bool tried_before();
  // The batch that a write was tried with and may have succeeded, else what waits; null: nothing.
  std::shared_ptr<const Batch> next();
  Result<> write(sql::Tx& tx, const Batch& batch);

  static constexpr std::size_t kLimit = 100'000;
  State& state_;
  std::mutex mutex_;
  Batch waiting_;
  std::shared_ptr<const Batch> trying_;  // the same until it is written
  metrics::Counter& refused_;
};

// The heat of `views` views now: log2 of the sum of 2^(time / half-life) in millionths. Old views
// weigh half as much each half-life, yet a stored value never has to be touched again, and an index
// on it is the ranking.
std::int64_t heat(std::int64_t now_ms, std::int64_t views);
std::int64_t add_heat(std::int64_t a, std::int64_t b);

}  // namespace sv::video
