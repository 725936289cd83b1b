#include "services/video/progress.h"

#include <algorithm>
#include <array>

namespace sv::video {
namespace {

// What each job is of the whole, in the order in which they run.
struct Share {
  JobKind kind;
  std::int64_t percent;
};
constexpr std::array kShares{Share{JobKind::probe, 5}, Share{JobKind::cover, 5},
                             Share{JobKind::first, 20}, Share{JobKind::sprite, 5},
                             Share{JobKind::ladder, 65}};

}  // namespace

Progress progress_of(std::span<const JobFacts> jobs) {
  Progress out{.stage = "done"};
  bool open = false;
  std::int64_t hundredths = 0;
  // Backwards, so that the earliest stays.
  for (auto share = kShares.rbegin(); share != kShares.rend(); ++share) {
    const auto job = std::ranges::find(jobs, share->kind, &JobFacts::kind);
    if (job == jobs.end()) continue;  // queued by the one before it
    const bool waits = job->state == JobState::queued || job->state == JobState::running;
    if (waits || (job->state == JobState::dead && !open)) out.stage = job_name(job->kind);
    open = open || waits;
    hundredths += share->percent *
                  (job->state == JobState::done ? 100 : std::min<std::int64_t>(job->percent, 99));
  }
  for (const JobFacts& job : jobs) {
    if (job.state == JobState::dead) out.retryable = true;
    if ((job.state == JobState::dead || job.state == JobState::done) && out.error.empty())
      out.error = job.error;
  }
  out.percent = out.stage == "done" ? 100 : static_cast<std::int32_t>(hundredths / 100);
  return out;
}

std::string reason_text(const std::string& token, Lang lang) {
  return message_text({.code = Errc::unprocessable, .token = token, .field = {}, .detail = {}},
                      lang);
}

}  // namespace sv::video
