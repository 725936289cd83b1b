#pragma once

#include <cstdint>
#include <string>

#include "app/config.h"

// What the subcommands of `shortvideo` do. Each returns the process's exit code and prints one
// sentence when it fails.
namespace sv::commands {

inline constexpr int kFindings = 1;   // something is damaged or missing
inline constexpr int kCannotRun = 2;  // wrong input, or a part that cannot be had

// Prints the sentence; kCannotRun.
int cannot(const std::string& sentence);
int cannot(const Error& error);

int serve(const Config& config);
int check(const Config& config);  // what load_config cannot know: the files that keys name
int migrate(const Config& config);
int fsck(const Config& config, bool repair);
int backup(const Config& config,
           const std::string& out);  // kFindings: made, but objects were missing
int restore(const Config& config, const std::string& in);  // kFindings: the backup is damaged
int create_user(const Config& config,
                const std::string& name);  // password: first line of standard input
int set_password(const Config& config,
                 const std::string& name);  // likewise; ends the user's sessions
int grant_admin(const Config& config, const std::string& name);

// Events that a consumer could not take (event_commands.cc); beside a server.
int list_dead_events(const Config& config, bool json);
int replay_events(const Config& config, const std::string& consumer,
                  const std::string& key);  // "all": every key
int drop_event(const Config& config, const std::string& consumer, std::int64_t id);

}  // namespace sv::commands
