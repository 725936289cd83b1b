#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "platform/adapters/s3_client.h"
#include "platform/core/bell.h"
#include "platform/core/task_group.h"
#include "platform/ports/object_store.h"

namespace sv::s3 {

// What writers of one store share.
struct Writing {
  asio::any_io_executor executor;  // the client's
  Client& client;
  TaskGroup& tasks;
};

// The end of an object that is appended to, of less than S3's smallest part: an object of its own,
// for `start` bytes in parts before it. It is there no more when the upload ends.
std::string tail_folder(const Client& client, std::string_view key);  // of all uploads of the key
std::string tail_key(const Client& client, std::string_view key, std::string_view upload,
                     std::uint64_t start);

// An object on its way up. A small one is one request, one of many parts a multipart upload, whose
// parts go up while the next one is being filled: 16 MiB of memory at most.
class S3Writer final : public ObjectWriter {
 public:
  static constexpr std::size_t kPart = 8u << 20, kLeast = 5u << 20;

  // What an earlier writer left; its id is empty for an object that is put.
  struct Before {
    std::string upload = {};
    std::vector<Part> parts = {};
    std::string tail = {};
  };
  S3Writer(Writing with, std::string key, bool keep, Before before);
  ~S3Writer() override;

  Task<Result<>> write(std::span<const std::byte> bytes) override;
  std::uint64_t offset() const override { return sent_ + buffer_.size(); }
  Task<Result<>> flush() override;
  Task<Result<>> commit() override;

 private:
  // Outlives the writer while a part is under way. On the client's loop only.
  struct State {
    State(Writing with, std::string name)
        : client(with.client), key(std::move(name)), landed(with.executor) {}
    Client& client;
    const std::string key;
    std::string upload = {};
    std::vector<Part> parts = {};
    Result<> failed = {};
    bool under_way = false;
    Bell landed;
  };
  static Task<> send_part(std::shared_ptr<State> state, std::shared_ptr<const std::string> bytes,
                          int number);
  static Task<> abort(std::shared_ptr<State> state);
  static Task<Result<>> land(State& state);
  static Task<Result<>> begin(State& state);
  static Task<Result<>> push(Writing with, std::shared_ptr<State> state, std::string bytes);
  static Task<Result<>> save_tail(State& state, std::uint64_t start, std::string_view bytes);
  static Task<Result<>> finish(State& state, std::string_view last);
  static Task<Result<>> complete(State& state);

  const Writing with_;
  const std::shared_ptr<State> state_;
  std::string buffer_;
  std::uint64_t sent_ = 0;
  const bool keep_;
  bool committed_ = false;
};

// Runs the task on the client's loop.
template <class T>
Task<T> on_loop(asio::any_io_executor executor, Task<T> task) {
  co_return co_await asio::co_spawn(executor, std::move(task), asio::use_awaitable);
}

}  // namespace sv::s3
