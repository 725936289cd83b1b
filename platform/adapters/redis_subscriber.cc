#include "platform/adapters/redis_subscriber.h"

#include <utility>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

namespace sv {

std::shared_ptr<RedisSubscriber> RedisSubscriber::make(std::shared_ptr<RedisSite> site,
                                                       asio::any_io_executor executor,
                                                       std::shared_ptr<RedisServers> servers) {
  auto out = std::make_shared<RedisSubscriber>(site, std::move(executor), std::move(servers));
  out->subscribers_ = std::make_shared<Subscribers>(
      [weak = std::weak_ptr(out)](Subscribers&, const std::string& channel) {
        if (const auto self = weak.lock())
          asio::post(self->executor_, [self, channel] { self->changed(channel); });
      },
      site->subscribers());
  return out;
}

RedisSubscriber::RedisSubscriber(std::shared_ptr<RedisSite> site, asio::any_io_executor executor,
                                 std::shared_ptr<RedisServers> servers)
    : site_(std::move(site)),
      executor_(std::move(executor)),
      servers_(std::move(servers)),
      prefix_(fmt::format("{}c{}:", site_->options.prefix, site_->options.database)),
      pause_(site_->options),
      timer_(executor_) {}

std::unique_ptr<Cache::Subscription> RedisSubscriber::add(std::string channel,
                                                          Cache::Listener listener) {
  return subscribers_->add(std::move(channel), std::move(listener));
}

// A channel's listeners have become more or fewer.
void RedisSubscriber::changed(const std::string& channel) {
  if (!connection_) return begin();
  const auto at = channels_.find(channel);
  if (!subscribers_->has(channel)) {
    if (at == channels_.end()) return;
    connection_->send(redis_command({"UNSUBSCRIBE", wire_name(channel)}));
    channels_.erase(at);
  } else if (at == channels_.end()) {
    ask_for(channel);
  } else if (at->second == State::heard) {
    subscribers_->begin_late(channel);
  }
}

void RedisSubscriber::begin() {
  if (running_ || stopping_ || subscribers_->empty()) return;
  running_ = true;
  asio::co_spawn(executor_, run(shared_from_this()),
                 [self = shared_from_this()](std::exception_ptr) {
                   self->running_ = false;
                   self->connection_.reset();
                   self->begin();  // who came while it ended
                 });
}

Task<> RedisSubscriber::run(std::shared_ptr<RedisSubscriber> self) {
  while (!self->stopping_ && !self->subscribers_->empty()) {
    const auto ended = co_await self->listen();
    if (!ended) co_await self->sleep(self->pause_.next());
  }
}

// Until the connection is lost, or nobody listens any more. A server that says nothing is asked for
// a sign of life: otherwise a dead one would look like a silent one.
Task<Result<>> RedisSubscriber::listen() {
  SV_CO_TRY(const auto connection, co_await servers_->dial());
  if (std::exchange(had_one_, true)) site_->reconnected();
  connection_ = connection;
  connection->listen(
      [weak = weak_from_this()](RedisReply reply) {
        if (const auto self = weak.lock()) self->take(std::move(reply));
      },
      [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->timer_.cancel();
      });
  silent_ = false;
  for (const std::string& channel : subscribers_->channels()) ask_for(channel);
  while (connection->is_open() && !silent_ && !stopping_ && !subscribers_->empty()) {
    silent_ = true;
    connection->send(redis_command({"PING"}));
    co_await sleep(site_->options.timeout);
  }
  const bool lost = !connection->is_open() || silent_;
  connection->close();
  connection_.reset();
  channels_.clear();
  if (lost) co_return fail(Errc::unavailable);
  co_return Result<>{};
}

void RedisSubscriber::ask_for(const std::string& channel) {
  channels_[channel] = State::asked;
  connection_->send(redis_command({"SUBSCRIBE", wire_name(channel)}));
}

// [message, channel, text], [subscribe, channel, how many], or the answer to a PING.
void RedisSubscriber::take(RedisReply reply) {
  silent_ = false;
  pause_.reset();
  if (reply.kind == RedisReply::Kind::error) return connection_->close();
  if (reply.list.size() != 3 || !reply.list[1].text.starts_with(prefix_)) return;
  const std::string_view kind = reply.list[0].text;
  const auto channel = std::string_view(reply.list[1].text).substr(prefix_.size());
  if (kind == "message") return subscribers_->heard(channel, reply.list[2].text);
  const auto at = channels_.find(channel);
  if (kind != "subscribe" || at == channels_.end()) return;
  at->second = State::heard;
  subscribers_->begin(channel);
}

Task<> RedisSubscriber::sleep(std::chrono::milliseconds time) {
  timer_.expires_after(time);
  co_await timer_.async_wait(kNoThrow);
}

}  // namespace sv
