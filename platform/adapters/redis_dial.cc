#include <utility>

#include "platform/adapters/redis_servers.h"

namespace sv {
namespace {

using Kind = RedisReply::Kind;

std::unexpected<Error> no_use(std::string why) {
  return fail(Errc::unavailable, "cache_unavailable", "redis: " + std::move(why));
}

std::string sign_in(const RedisOptions& options) {
  return options.user.empty() ? redis_command({"AUTH", options.password})
                              : redis_command({"AUTH", options.user, options.password});
}

// A server that does not know AUTH repeats what it was told.
std::string without_secret(const RedisReply& refused, const RedisOptions& options) {
  const std::string& text = refused.text;
  return text.contains(options.password) ? text.substr(0, text.find(' ')) + " to AUTH" : text;
}

Task<RedisDialled> connect(const RedisSite& site, asio::any_io_executor executor,
                           RedisAddress address) {
  auto made = std::make_shared<RedisConnection>(std::move(executor), std::move(address),
                                                site.options.timeout);
  SV_CO_CHECK(co_await made->open(site.options.tls.get()));
  co_return made;
}

// Whose passwords and scripts a new connection brings goes out in one piece.
struct Hello {
  std::string commands;
  std::size_t answers = 0;
  void add(std::string command) {
    commands += command;
    ++answers;
  }
};

Task<Result<>> greet(std::shared_ptr<RedisConnection> connection, const RedisOptions& options) {
  Hello hello;
  const bool signs_in = !options.password.empty(), chooses = options.database != 0;
  if (signs_in) hello.add(sign_in(options));
  if (chooses) hello.add(redis_command({"SELECT", std::to_string(options.database)}));
  for (const std::string_view script : kRedisScripts)
    hello.add(redis_command({"SCRIPT", "LOAD", script}));
  SV_CO_TRY(const auto said, co_await connection->ask(std::move(hello.commands), hello.answers));
  auto reply = said.begin();
  if (signs_in && reply++->kind == Kind::error)
    co_return no_use(without_secret(said.front(), options));
  if (chooses && reply++->kind == Kind::error) co_return no_use(std::prev(reply)->text);
  for (std::string& name : connection->script_names) {
    if (reply->is_error("NOAUTH") || reply->is_error("LOADING")) co_return no_use(reply->text);
    if (reply->kind == Kind::text) name = reply->text;
    ++reply;
  }
  co_return Result<>{};
}

Task<Result<RedisAddress>> master_of(const RedisSite& site, asio::any_io_executor executor,
                                     const RedisAddress& sentinel) {
  const RedisOptions& options = site.options;
  SV_CO_TRY(const auto connection, co_await connect(site, executor, sentinel));
  const std::string question =
      redis_command({"SENTINEL", "get-master-addr-by-name", options.master});
  SV_CO_TRY(auto said, co_await connection->ask(question, 1));
  // Most sentinels ask for no password, and would refuse one.
  const bool signs_in = said.front().is_error("NOAUTH") && !options.password.empty();
  if (signs_in) { SV_CO_TRY(said, co_await connection->ask(sign_in(options) + question, 2)); }
  connection->close();
  if (signs_in && said.front().kind == Kind::error)
    co_return no_use(without_secret(said.front(), options));
  const RedisReply& reply = said.back();
  if (reply.kind == Kind::error) co_return no_use(reply.text);
  if (reply.list.size() != 2) co_return no_use("the sentinel knows no master of that name");
  co_return RedisAddress{.host = reply.list[0].text, .port = reply.list[1].text};
}

Task<Result<>> check_master(std::shared_ptr<RedisConnection> connection) {
  SV_CO_TRY(const auto said, co_await connection->ask(redis_command({"ROLE"}), 1));
  const RedisReply& role = said.front();
  if (role.kind == Kind::error) co_return no_use(role.text);
  if (role.list.empty() || role.list.front().text != "master")
    co_return no_use("whom the sentinel calls the master is none (yet)");
  co_return Result<>{};
}

}  // namespace

Task<RedisDialled> dial_redis(std::shared_ptr<const RedisSite> site, asio::any_io_executor executor,
                              RedisAddress address) {
  SV_CO_TRY(auto made, co_await connect(*site, executor, std::move(address)));
  const auto known = co_await greet(made, site->options);
  if (known) co_return made;
  made->close();
  co_return std::unexpected(known.error());
}

Task<RedisDialled> dial_master(std::shared_ptr<const RedisSite> site,
                               asio::any_io_executor executor) {
  RedisDialled out = no_use("there is no sentinel");
  for (const RedisAddress& sentinel : site->options.addresses) {
    const auto address = co_await master_of(*site, executor, sentinel);
    if (!address) {
      out = std::unexpected(address.error());
      continue;
    }
    out = co_await dial_redis(site, executor, *address);
    if (!out) continue;  // another sentinel may know better
    const auto master = co_await check_master(*out);
    if (master) co_return out;
    (*out)->close();
    out = std::unexpected(master.error());
  }
  co_return out;
}

}  // namespace sv
