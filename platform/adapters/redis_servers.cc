#include "platform/adapters/redis_servers.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "platform/core/log.h"

namespace sv {
namespace {

using Steady = std::chrono::steady_clock;

// All commands to one server.
class OneRedis final : public RedisServers {
 public:
  OneRedis(std::shared_ptr<RedisSite> site, asio::any_io_executor executor)
      : dial_(dial_of(site, executor)),
        link_(std::make_shared<RedisLink>(site, executor, name_of(site->options), dial_)) {}

  Task<RedisConnection::Answers> ask(std::vector<RedisCommand> commands) override {
    SV_CO_TRY(const auto connection, co_await link_->connection());
    auto said = co_await ask_as(connection, commands, RedisForm::short_);
    if (said && std::ranges::any_of(*said, [](auto& one) { return one.is_error("NOSCRIPT"); }))
      co_await run_whole(connection, commands, *said);
    // It is the master no more.
    if (said && std::ranges::any_of(*said, [](auto& one) { return one.is_error("READONLY"); })) {
      connection->close();
      said = fail(Errc::unavailable, "cache_unavailable", "redis: the server takes no writes");
    }
    link_->heard(connection, said);
    co_return said;
  }

  Task<RedisDialled> dial() override { co_return co_await dial_(); }

 private:
  static RedisLink::Dial dial_of(std::shared_ptr<const RedisSite> site,
                                 asio::any_io_executor executor) {
    if (site->options.shape == RedisOptions::Shape::sentinel)
      return [site, executor] { return dial_master(site, executor); };
    return [site, executor] { return dial_redis(site, executor, site->options.addresses.front()); };
  }
  static std::string name_of(const RedisOptions& options) {
    return options.master.empty() ? options.addresses.front().text() : options.master;
  }

  static Task<RedisConnection::Answers> ask_as(std::shared_ptr<RedisConnection> connection,
                                               const std::vector<RedisCommand>& commands,
                                               RedisForm form) {
    std::string bytes;
    for (const RedisCommand& one : commands) append_redis_command(bytes, one, *connection, form);
    co_return co_await connection->ask(std::move(bytes), commands.size());
  }

  // Scripts that the server has forgotten did nothing, and are told again.
  static Task<> run_whole(std::shared_ptr<RedisConnection> connection,
                          const std::vector<RedisCommand>& commands,
                          std::vector<RedisReply>& replies) {
    for (std::size_t i = 0; i < commands.size(); ++i) {
      if (!replies[i].is_error("NOSCRIPT")) continue;
      auto said = co_await ask_as(connection, {commands[i]}, RedisForm::whole);
      if (said) replies[i] = std::move(said->front());
    }
  }

  const RedisLink::Dial dial_;
  const std::shared_ptr<RedisLink> link_;
};

}  // namespace

RedisSite::RedisSite(RedisOptions o) : options(std::move(o)) {
  if (!options.metrics) return;
  failures_ = &options.metrics->counter("shortvideo_cache_failures_total",
                                        "Questions to the cache that it did not answer");
  reconnects_ = &options.metrics->counter("shortvideo_cache_reconnects_total",
                                          "Connections to the cache that were lost and made again");
  subscribers_ = &options.metrics->gauge("shortvideo_cache_subscribers",
                                         "Who listens to what is published through the cache");
}

void RedisSite::failed(const std::string& server, const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (!failing_.insert(server).second) return;
  }
  log::warn("redis", "the cache does not answer, what it would tell is read anew",
            {{"server", server}, {"error", error.detail}});
}

void RedisSite::answered(const std::string& server) {
  {
    const std::lock_guard lock(mutex_);
    if (failing_.erase(server) == 0) return;
  }
  log::info("redis", "the cache answers again", {{"server", server}});
}

std::chrono::milliseconds RedisPause::next() {
  const auto now = std::exchange(next_, std::min(next_ * 2, longest_));
  return std::chrono::milliseconds(
      std::uniform_int_distribution<std::int64_t>((now.count() + 1) / 2, now.count())(random_));
}

RedisCommand redis_script(RedisScript script, std::string key,
                          const std::vector<std::string_view>& arguments) {
  RedisCommand out{
      .key = std::move(key), .bytes = {}, .script = script, .parts = 2 + arguments.size()};
  append_redis_part(out.bytes, "1");
  append_redis_part(out.bytes, out.key);
  for (const std::string_view argument : arguments) append_redis_part(out.bytes, argument);
  return out;
}

void append_redis_command(std::string& out, const RedisCommand& command,
                          const RedisConnection& connection, RedisForm form) {
  if (command.script) {
    const auto place = static_cast<std::size_t>(*command.script);
    const std::string& name = connection.script_names[place];
    const bool known = form == RedisForm::short_ && !name.empty();
    fmt::format_to(std::back_inserter(out), "*{}\r\n", command.parts + 2);
    append_redis_part(out, known ? "EVALSHA" : "EVAL");
    append_redis_part(out, known ? std::string_view(name) : kRedisScripts[place]);
  }
  out += command.bytes;
}

RedisLink::RedisLink(std::shared_ptr<RedisSite> site, asio::any_io_executor executor,
                     std::string server, Dial dial)
    : site_(std::move(site)),
      executor_(std::move(executor)),
      server_(std::move(server)),
      dial_(std::move(dial)),
      pause_(site_->options),
      dialled_(executor_) {}

Task<RedisDialled> RedisLink::connection() {
  if (connection_ && connection_->is_open()) co_return connection_;
  const auto self = shared_from_this();
  const auto seen = dialled_.rings();
  if (!dialling_ && Steady::now() >= not_before_) start_dialling();
  // Dialling goes on when who waits for it is cancelled, or has waited long enough.
  if (dialling_) co_await dialled_.wait(site_->options.timeout, seen);
  if (connection_ && connection_->is_open()) co_return connection_;
  if (dialling_) co_return fail(Errc::unavailable, "cache_unavailable", "redis: no answer");
  co_return std::unexpected(why_);
}

void RedisLink::start_dialling() {
  dialling_ = true;
  asio::co_spawn(executor_, dial_(),
                 [self = shared_from_this()](std::exception_ptr error, RedisDialled dialled) {
                   if (error)
                     dialled = fail(Errc::internal, "cache_unavailable", "redis: out of resources");
                   self->take(std::move(dialled));
                 });
}

void RedisLink::take(RedisDialled dialled) {
  dialling_ = false;
  if (dialled) {
    connection_ = std::move(*dialled);
    if (std::exchange(had_one_, true)) site_->reconnected();
    site_->answered(server_);
  } else {
    leave_alone(dialled.error());
  }
  dialled_.ring();
}

void RedisLink::heard(const std::shared_ptr<RedisConnection>& connection,
                      const RedisConnection::Answers& answers) {
  if (answers) return pause_.reset();
  if (connection != connection_) return;  // another question has told it
  connection_.reset();
  leave_alone(answers.error());
}

void RedisLink::leave_alone(const Error& why) {
  why_ = why;
  not_before_ = Steady::now() + pause_.next();
  site_->failed(server_, why);
}

void RedisLink::close() {
  if (connection_) connection_->close();
}

std::shared_ptr<RedisServers> make_redis_servers(std::shared_ptr<RedisSite> site,
                                                 asio::any_io_executor executor) {
  if (site->options.shape == RedisOptions::Shape::cluster)
    return make_redis_cluster(std::move(site), std::move(executor));
  return std::make_shared<OneRedis>(std::move(site), std::move(executor));
}

}  // namespace sv
