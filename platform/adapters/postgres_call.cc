#include "platform/adapters/postgres_call.h"

#include <pthread.h>

namespace sv::postgres {

DeadlineWatch::DeadlineWatch() : thread_([this] { run(); }) {}

DeadlineWatch::~DeadlineWatch() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  earlier_.notify_one();
  thread_.join();
}

void DeadlineWatch::add(const std::shared_ptr<Call>& call) {
  std::lock_guard lock(mutex_);
  const auto at = calls_.emplace(call->deadline(), call);
  if (at == calls_.begin()) earlier_.notify_one();
}

void DeadlineWatch::remove(const Call& call) {
  std::lock_guard lock(mutex_);
  const auto [first, last] = calls_.equal_range(call.deadline());
  for (auto at = first; at != last; ++at) {
    if (at->second.get() != &call) continue;
    calls_.erase(at);
    return;
  }
}

void DeadlineWatch::run() {
  pthread_setname_np(pthread_self(), "pg-deadlines");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (calls_.empty()) {
      earlier_.wait(lock);
      continue;
    }
    const auto first = calls_.begin();
    const Deadline next = first->first;  // a copy: the entry may go while the lock is free
    if (std::chrono::steady_clock::now() < next) {
      earlier_.wait_until(lock, next);
      continue;
    }
    const std::shared_ptr<Call> call = first->second;
    calls_.erase(first);
    lock.unlock();
    call->expire();
    lock.lock();
  }
}

}  // namespace sv::postgres
