#include "platform/core/task_group.h"

#include <condition_variable>
#include <cstdlib>
#include <list>
#include <mutex>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include "platform/core/log.h"

namespace sv {

struct TaskGroup::State {
  explicit State(std::string n) : name(std::move(n)) {}

  struct Entry {
    asio::cancellation_signal signal;
    asio::any_io_executor executor;
  };

  const std::string name;
  mutable std::mutex mutex;
  std::condition_variable idle;
  std::list<std::shared_ptr<Entry>> entries;
  bool stopping = false;
};

TaskGroup::TaskGroup(std::string name) : state_(std::make_shared<State>(std::move(name))) {}

TaskGroup::~TaskGroup() {
  if (running() != 0) {
    log::error("task_group", "destroyed while tasks run", {{"group", state_->name}});
    std::abort();
  }
}

void TaskGroup::spawn(asio::any_io_executor executor, std::function<Task<>()> make) {
  spawn(std::move(executor), [make = std::move(make)](Stop&) { return make(); });
}

void TaskGroup::spawn(asio::any_io_executor executor, std::function<Task<>(Stop&)> make) {
  auto entry = std::make_shared<State::Entry>();
  entry->executor = executor;
  std::list<std::shared_ptr<State::Entry>>::iterator place;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopping) return;
    place = state_->entries.insert(state_->entries.end(), entry);
  }
  auto done = [state = state_, place](std::exception_ptr error) {
    if (error) {
      try {
        std::rethrow_exception(error);
      } catch (const boost::system::system_error& e) {
        if (e.code() != asio::error::operation_aborted)
          log::error("task_group", "task failed", {{"group", state->name}, {"error", e.what()}});
      } catch (const std::exception& e) {
        log::error("task_group", "task failed", {{"group", state->name}, {"error", e.what()}});
      } catch (...) { log::error("task_group", "task failed", {{"group", state->name}}); }
    }
    std::lock_guard lock(state->mutex);
    state->entries.erase(place);
    if (state->entries.empty()) state->idle.notify_all();
  };
  // The signal belongs to the executor's thread: it is connected there, and stop() emits it there.
  // What is posted from that thread may come behind what another one posts later: a task whose stop
  // has come first is stopped at once.
  asio::post(executor, [state = state_, executor, entry, make = std::move(make),
                        done = std::move(done)]() mutable {
    asio::co_spawn(
        executor, [entry, make = std::move(make)] { return make(entry->signal); },
        asio::bind_cancellation_slot(entry->signal.slot(), std::move(done)));
    std::unique_lock lock(state->mutex);
    const bool stopping = state->stopping;
    lock.unlock();
    if (stopping) entry->signal.emit(asio::cancellation_type::terminal);
  });
}

void TaskGroup::stop() {
  std::list<std::shared_ptr<State::Entry>> entries;
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    entries = state_->entries;
  }
  for (auto& entry : entries)
    asio::post(entry->executor, [entry] { entry->signal.emit(asio::cancellation_type::terminal); });
}

void TaskGroup::join() {
  std::unique_lock lock(state_->mutex);
  state_->idle.wait(lock, [&] { return state_->entries.empty(); });
}

std::size_t TaskGroup::running() const {
  std::lock_guard lock(state_->mutex);
  return state_->entries.size();
}

}  // namespace sv
