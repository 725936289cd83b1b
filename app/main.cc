#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/commands.h"
#include "app/config.h"

namespace {

// What the command line said, before it becomes a Config.
struct Options {
  bool called_gateway = false;  // alone where it can find the services, else with all of them
  std::string config_file, data, listen, services;
  std::vector<std::string> sets;
};

void add_data_options(CLI::App& command, Options& options) {
  command.add_option("--config", options.config_file,
                     "configuration file (configs/config.yaml lists every key)");
  command.add_option("--data", options.data, "data folder");
  command.add_option("--set", options.sets, "set one key: --set limits.factor=2")
      ->allow_extra_args(false);
}

sv::Result<sv::Config> load(const Options& options) {
  sv::ConfigSource source{.file = options.config_file, .environment = {}, .sets = {}};
  for (char** e = environ; *e; ++e) source.environment.emplace_back(*e);
  if (!options.data.empty()) source.sets.push_back("data=" + options.data);
  if (!options.listen.empty()) source.sets.push_back("listen=" + options.listen);
  if (!options.services.empty()) source.sets.push_back("services=" + options.services);
  source.sets.insert(source.sets.end(), options.sets.begin(), options.sets.end());
  auto config = sv::load_config(source);
  if (options.called_gateway && config && config->services == "all" &&
      sv::roles_of(*config).cluster)
    config->services = "gateway";
  return config;
}

template <class F>
int with_config(const Options& options, F run) {
  auto config = load(options);
  if (!config) {
    fmt::print(stderr, "shortvideo: {}\n", config.error().detail);
    return sv::commands::kCannotRun;
  }
  return run(*config);
}

// output/bin/<service> are links to this program: called by such a name it serves that service.
std::vector<std::string> arguments(int argc, char** argv) {
  std::vector<std::string> out(argv + 1, argv + argc);
  const std::string called = std::filesystem::path(argv[0]).filename();
  if (called == "gateway") out.insert(out.begin(), "serve");
  else if (std::ranges::find(sv::service_names(), called) != sv::service_names().end())
    out.insert(out.begin(), {"serve", "--services", called});
  std::ranges::reverse(out);  // as CLI11 wants them
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"shortvideo: the backend for short-video apps", "shortvideo"};
  app.require_subcommand(1);
  Options options;
  std::string name, folder, consumer, key = "all";
  std::int64_t event = 0;
  bool repair = false, json = false;

  auto* serve = app.add_subcommand("serve", "run the services and the HTTP gateway");
  add_data_options(*serve, options);
  serve->add_option("--listen", options.listen,
                    "address of the HTTP server, e.g. 127.0.0.1:8080 (port 0 picks one)");
  serve->add_option("--services", options.services, "which services run in this process (all)");
  auto* migrate = app.add_subcommand("migrate", "bring the database to this binary's version");
  add_data_options(*migrate, options);
  auto* check = app.add_subcommand("check-config", "say whether the configuration is valid");
  add_data_options(*check, options);
  check->add_option("--listen", options.listen);
  check->add_option("--services", options.services);
  auto* version = app.add_subcommand("version", "print the version");
  auto* fsck = app.add_subcommand(
      "fsck", "compare database and objects: exit 0 clean, 1 findings, 2 could not run");
  add_data_options(*fsck, options);
  fsck->add_flag("--repair", repair,
                 "remove orphans and mark what is missing (stop the server first)");
  auto* backup =
      app.add_subcommand("backup", "copy the data of a running or stopped server to a new folder");
  backup->add_option("out", folder, "folder to make")->required();
  add_data_options(*backup, options);
  auto* restore = app.add_subcommand("restore",
                                     "make a data folder from a backup and verify it: exit 0 "
                                     "whole, 1 damaged backup, 2 could not run");
  restore->add_option("in", folder, "folder that backup made")->required();
  add_data_options(*restore, options);
  auto* user = app.add_subcommand("user", "manage accounts from the command line");
  user->require_subcommand(1);
  auto add_user_command = [&](const char* verb, const char* help) {
    auto* command = user->add_subcommand(verb, help);
    command->add_option("name", name, "username")->required();
    add_data_options(*command, options);
    return command;
  };
  auto* user_create =
      add_user_command("create", "make an account; the password is read from standard input");
  auto* user_password = add_user_command(
      "set-password", "change a password, read from standard input; ends the sessions");
  auto* user_admin = add_user_command("grant-admin", "make an account an administrator");
  auto* events = app.add_subcommand("events", "events that a consumer could not take");
  events->require_subcommand(1);
  auto add_events_command = [&](const char* verb, const char* help) {
    auto* command = events->add_subcommand(verb, help);
    add_data_options(*command, options);
    if (verb != std::string_view("dead"))
      command->add_option("consumer", consumer, "as `events dead` names it")->required();
    return command;
  };
  auto* events_dead = add_events_command("dead", "list them");
  events_dead->add_flag("--json", json, "as a JSON array");
  auto* events_replay =
      add_events_command("replay", "deliver them again, and what waits behind them, in order");
  events_replay->add_option("key", key, "of that key only, or all");
  auto* events_drop =
      add_events_command("drop", "forget one for ever; what waits behind it goes on");
  events_drop->add_option("id", event, "its number in the list")->required();

  try {
    options.called_gateway = std::filesystem::path(argv[0]).filename() == "gateway";
    app.parse(arguments(argc, argv));
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : sv::commands::kCannotRun; }

  using sv::Config;
  if (*version) {
    fmt::print("shortvideo {}\n", SV_VERSION);
    return 0;
  }
  if (*check) return with_config(options, [](const Config& c) { return sv::commands::check(c); });
  if (*serve) return with_config(options, [](const Config& c) { return sv::commands::serve(c); });
  if (*migrate)
    return with_config(options, [](const Config& c) { return sv::commands::migrate(c); });
  if (*fsck)
    return with_config(options, [&](const Config& c) { return sv::commands::fsck(c, repair); });
  if (*backup)
    return with_config(options, [&](const Config& c) { return sv::commands::backup(c, folder); });
  if (*restore)
    return with_config(options, [&](const Config& c) { return sv::commands::restore(c, folder); });
  if (*user_create)
    return with_config(options,
                       [&](const Config& c) { return sv::commands::create_user(c, name); });
  if (*user_password)
    return with_config(options,
                       [&](const Config& c) { return sv::commands::set_password(c, name); });
  if (*user_admin)
    return with_config(options,
                       [&](const Config& c) { return sv::commands::grant_admin(c, name); });
  if (*events_dead)
    return with_config(options,
                       [&](const Config& c) { return sv::commands::list_dead_events(c, json); });
  if (*events_replay)
    return with_config(
        options, [&](const Config& c) { return sv::commands::replay_events(c, consumer, key); });
  if (*events_drop)
    return with_config(
        options, [&](const Config& c) { return sv::commands::drop_event(c, consumer, event); });
  return sv::commands::kCannotRun;
}
