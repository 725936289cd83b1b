#include "app/commands.h"

#include <filesystem>
#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "app/backup.h"
#include "app/tls.h"
#include "app/wiring.h"
#include "platform/core/block_on.h"
#include "platform/core/log.h"
#include "services/interaction/fsck.h"
#include "services/message/fsck.h"
#include "services/social/fsck.h"
#include "services/user/admin.h"
#include "services/user/fsck.h"
#include "services/video/fsck.h"

namespace sv::commands {
namespace {

// A command's failure that an operator caused is told in words, not in tokens.
template <class Run>
int with_accounts(const Config& config, Run run) {
  auto storage = open_storage(config, Access::admin);
  if (!storage) return cannot(storage.error());
  asio::io_context idle;
  auto events = open_events(config, {&(*storage)->of("user")}, (*storage)->clock,
                            idle.get_executor(), (*storage)->supervisor, (*storage)->metrics);
  return run(user::AdminDeps{.db = (*storage)->of("user"),
                             .clock = (*storage)->clock,
                             .ids = (*storage)->ids_of("user"),
                             .events = *events,
                             .access_ttl = config.access_ttl,
                             .bcrypt_cost = static_cast<int>(config.bcrypt_cost)});
}

std::string password_from_input() {
  std::string line;
  std::getline(std::cin, line);
  return line;
}

// What no service can tell alone: data of people without an account, and counters that are not what
// they count. A line a finding.
Task<Result<std::vector<std::string>>> check_people(Storage& storage) {
  std::vector<std::string> out;
  const std::pair<std::string, Task<Result<std::vector<UserId>>> (*)(sql::Database&)> owners[] = {
      {"interaction", &interaction::users_in},
      {"message", &message::users_in},
      {"social", &social::users_in},
      {"video", &video::users_in}};
  for (const auto& [service, users_in] : owners) {
    SV_CO_TRY(auto users, co_await users_in(storage.of(service)));
    SV_CO_TRY(const auto gone,
              co_await user::without_account(storage.of("user"), storage.clock, std::move(users)));
    for (UserId id : gone)
      out.push_back(fmt::format("user_remains {}: of user {}, who has no account", service, id));
  }
  const std::pair<std::string, Task<Result<std::vector<Drift>>> (*)(sql::Database&)> counters[] = {
      {"interaction", &interaction::find_drift},
      {"message", &message::find_drift},
      {"social", &social::find_drift},
      {"video", &video::find_drift}};
  for (const auto& [service, find_drift] : counters) {
    SV_CO_TRY(const auto drift, co_await find_drift(storage.of(service)));
    for (const Drift& d : drift)
      out.push_back(fmt::format("counter_drift {}: {} is stored, there are {}", d.counter, d.stored,
                                d.counted));
  }
  co_return out;
}

int told(const Result<>& done, std::string_view success) {
  if (!done) return cannot(done.error());
  fmt::print("{}\n", success);
  return 0;
}

}  // namespace

int cannot(const std::string& sentence) {
  fmt::print(stderr, "shortvideo: {}\n", sentence);
  return kCannotRun;
}
int cannot(const Error& error) {
  return cannot(error.detail.empty() ? message_text(error, Lang::en) : error.detail);
}

int serve(const Config& config) {
  const std::string problem = log::init({.level = log::parse_level(config.log_level),
                                         .json = config.log_format == "json",
                                         .output = config.log_output});
  if (!problem.empty()) {
    fmt::print(stderr, "shortvideo: {}\n", problem);
    return kCannotRun;
  }
  auto done = run_server(config);
  log::shutdown();
  return done ? 0 : cannot(done.error());
}

int check(const Config& config) {
  for (auto load : {load_tls, load_rpc_tls}) {
    auto shown = load(config);
    if (!shown) return cannot(shown.error());
    if (const std::string warning = shown->identity ? shown->identity->warning() : "";
        !warning.empty())
      fmt::print("warning: {}.cert: {}\n", shown->keys, warning);
  }
  fmt::print("the configuration is valid\n");
  return 0;
}

int migrate(const Config& config) {
  auto storage = open_storage(config, Access::serve);
  if (!storage) return cannot(storage.error());
  fmt::print("the database is up to date\n");
  return 0;
}

int fsck(const Config& config, bool repair) {
  auto storage = open_storage(config, repair ? Access::serve : Access::look);
  if (!storage) return cannot(storage.error());
  auto report =
      block_on(video::fsck((*storage)->of("video"), *(*storage)->objects, (*storage)->clock,
                           repair ? video::FsckMode::repair : video::FsckMode::report));
  if (!report) return cannot(report.error());
  bool clean = true;
  for (const auto& finding : report->findings) {
    fmt::print("{} {}: {}{}\n", finding.kind, finding.key, finding.detail,
               finding.repaired ? " (repaired)" : "");
    clean = clean && finding.repaired;
  }
  auto others = block_on(check_people(**storage));
  if (!others) return cannot(others.error());
  for (const auto& line : *others) fmt::print("{}\n", line);
  for (const auto& [owner, bytes] : report->bytes_by_user)
    fmt::print("user {}: {} bytes\n", owner, bytes);
  fmt::print("{} objects, {} bytes, {} findings\n", report->objects, report->bytes,
             report->findings.size() + others->size());
  return clean && others->empty() ? 0 : kFindings;
}

int backup(const Config& config, const std::string& out) {
  auto report = make_backup(config, out);
  if (!report) return cannot(report.error());
  for (const auto& key : report->missing) fmt::print("missing: {}\n", key);
  fmt::print("backed up {} files, {} bytes to {}\n", report->files, report->bytes, out);
  return report->missing.empty() ? 0 : kFindings;
}

int restore(const Config& config, const std::string& in) {
  auto report = restore_backup(config, in);
  if (!report) {
    const int code = cannot(report.error());
    return report.error().token == "backup_damaged" ? kFindings : code;
  }
  for (const auto& key : report->missing) fmt::print("missing when it was backed up: {}\n", key);
  fmt::print("restored {} files, {} bytes to {}\n", report->files, report->bytes, config.data);
  return 0;
}

int create_user(const Config& config, const std::string& name) {
  return with_accounts(config, [&](user::AdminDeps deps) {
    auto id = block_on(user::create_user(deps, name, password_from_input()));
    if (!id) return cannot(id.error());
    fmt::print("user {} has id {}\n", name, *id);
    return 0;
  });
}

int set_password(const Config& config, const std::string& name) {
  return with_accounts(config, [&](user::AdminDeps deps) {
    return told(block_on(user::set_password(deps, name, password_from_input())),
                "the password is set, the sessions have ended");
  });
}

int grant_admin(const Config& config, const std::string& name) {
  return with_accounts(config, [&](user::AdminDeps deps) {
    return told(block_on(user::grant_admin(deps, name)),
                fmt::format("{} is an administrator", name));
  });
}

}  // namespace sv::commands
