#include "platform/adapters/s3_writer.h"

#include <numeric>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>

#include "platform/crypto/sha256.h"

namespace sv::s3 {

using namespace std::chrono_literals;

std::string tail_folder(const Client& client, std::string_view key) {
  return fmt::format("{}.tails/{}/", client.place().prefix, key);
}
std::string tail_key(const Client& client, std::string_view key, std::string_view upload,
                     std::uint64_t start) {
  return fmt::format("{}{}/{}", tail_folder(client, key), sha256_hex(upload).substr(0, 32), start);
}

S3Writer::S3Writer(Writing with, std::string key, bool keep, Before before)
    : with_(with),
      state_(std::make_shared<State>(with, std::move(key))),
      buffer_(std::move(before.tail)),
      keep_(keep) {
  state_->upload = std::move(before.upload);
  state_->parts = std::move(before.parts);
  for (const Part& part : state_->parts) sent_ += part.size;
}

S3Writer::~S3Writer() {
  if (committed_ || keep_) return;
  with_.tasks.spawn(with_.executor, [state = state_] { return abort(state); });
}

Task<> S3Writer::abort(std::shared_ptr<State> state) {
  (void)co_await land(*state);
  // What is left after this goes with the key (discard_append).
  if (!state->upload.empty())
    (void)co_await state->client.abort(state->client.place().prefix + state->key, state->upload);
}

Task<Result<>> S3Writer::write(std::span<const std::byte> bytes) {
  if (buffer_.capacity() < kPart && buffer_.size() + bytes.size() > kPart / 8)
    buffer_.reserve(kPart);
  while (!bytes.empty()) {
    const auto some = bytes.first(std::min(bytes.size(), kPart - buffer_.size()));
    buffer_.append(reinterpret_cast<const char*>(some.data()), some.size());
    bytes = bytes.subspan(some.size());
    if (buffer_.size() < kPart) break;
    sent_ += buffer_.size();
    SV_CO_CHECK(co_await on_loop(with_.executor, push(with_, state_, std::exchange(buffer_, {}))));
    buffer_.reserve(kPart);
  }
  co_return Result<>{};
}

// One part is under way at a time, while the next one fills.
Task<Result<>> S3Writer::push(Writing with, std::shared_ptr<State> state, std::string bytes) {
  SV_CO_CHECK(co_await land(*state));
  SV_CO_CHECK(co_await begin(*state));
  state->under_way = true;
  const int number = static_cast<int>(state->parts.size()) + 1;
  auto part = std::make_shared<const std::string>(std::move(bytes));
  with.tasks.spawn(with.executor, [state, part, number] { return send_part(state, part, number); });
  co_return Result<>{};
}

Task<Result<>> S3Writer::begin(State& state) {
  if (!state.upload.empty()) co_return Result<>{};
  SV_CO_TRY(state.upload,
            co_await state.client.begin_upload(state.client.place().prefix + state.key));
  co_return Result<>{};
}

Task<> S3Writer::send_part(std::shared_ptr<State> state, std::shared_ptr<const std::string> bytes,
                           int number) {
  auto sent = co_await state->client.put_part(state->client.place().prefix + state->key,
                                              state->upload, number, *bytes);
  if (sent) state->parts.push_back(std::move(*sent));
  else state->failed = std::unexpected(std::move(sent.error()));
  state->under_way = false;
  state->landed.ring();
}

Task<Result<>> S3Writer::land(State& state) {
  for (;;) {
    const std::uint64_t seen = state.landed.rings();
    if (!state.under_way) co_return state.failed;
    co_await state.landed.wait(1h, seen);
  }
}

Task<Result<>> S3Writer::flush() {
  if (buffer_.size() >= kLeast) {
    sent_ += buffer_.size();
    SV_CO_CHECK(co_await on_loop(with_.executor, push(with_, state_, std::exchange(buffer_, {}))));
  }
  co_return co_await on_loop(with_.executor, save_tail(*state_, sent_, buffer_));
}

Task<Result<>> S3Writer::save_tail(State& state, std::uint64_t start, std::string_view bytes) {
  SV_CO_CHECK(co_await land(state));
  if (bytes.empty()) co_return Result<>{};
  SV_CO_CHECK(co_await begin(state));
  co_return co_await state.client.put(tail_key(state.client, state.key, state.upload, start),
                                      bytes);
}

Task<Result<>> S3Writer::commit() {
  auto done = co_await on_loop(with_.executor, finish(*state_, buffer_));
  committed_ = done.has_value();
  co_return done;
}

Task<Result<>> S3Writer::finish(State& state, std::string_view last) {
  SV_CO_CHECK(co_await land(state));
  Client& client = state.client;
  const std::string key = client.place().prefix + state.key;
  if (state.parts.empty()) {
    SV_CO_CHECK(co_await client.put(key, last));
    if (!state.upload.empty()) SV_CO_CHECK(co_await client.abort(key, state.upload));
  } else {
    if (!last.empty()) {
      SV_CO_TRY(auto part, co_await client.put_part(
                               key, state.upload, static_cast<int>(state.parts.size()) + 1, last));
      state.parts.push_back(std::move(part));
    }
    SV_CO_CHECK(co_await complete(state));
  }
  // They mean nothing any more: what could not be removed goes with the key.
  if (!state.upload.empty()) {
    if (const auto tails = co_await client.list(tail_folder(client, state.key)))
      for (const ObjectInfo& tail : *tails) (void)co_await client.remove(tail.key);
  }
  co_return Result<>{};
}

// An answer may be lost: then the upload is there no more, and the object is.
Task<Result<>> S3Writer::complete(State& state) {
  const std::string key = state.client.place().prefix + state.key;
  auto done = co_await state.client.complete(key, state.upload, state.parts);
  if (done || done.error().code != Errc::not_found) co_return done;
  const auto sum = [](std::uint64_t all, const Part& part) { return all + part.size; };
  const std::uint64_t whole =
      std::accumulate(state.parts.begin(), state.parts.end(), std::uint64_t{0}, sum);
  SV_CO_TRY(const ObjectInfo there, co_await state.client.head(key));
  if (there.size != whole) co_return fail(Errc::unavailable, "objects_unavailable", "upload gone");
  co_return Result<>{};
}

}  // namespace sv::s3
