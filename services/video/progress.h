#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "services/video/store.h"

namespace sv::video {

// A row of video_jobs, as far as it tells how far a video is.
struct JobFacts {
  JobKind kind{};
  JobState state{};
  std::int64_t percent = 0;
  std::string error{};  // token; of a job that is over: the video does without it
};

// How far the processing of a video is. Derived from its jobs, never stored.
struct Progress {
  std::string_view stage;  // the first job that waits or runs, else the one that died, else "done"
  std::int32_t percent = 0;  // 100 exactly when `stage` is "done"; never goes back
  std::string error{};       // of a job that died, or that the video does without; empty: none
  bool retryable = false;    // a job is dead: RetryVideo revives it
};
Progress progress_of(std::span<const JobFacts> jobs);
// A token of a failure as a person reads it.
std::string reason_text(const std::string& token, Lang lang);

}  // namespace sv::video
