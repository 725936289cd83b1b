#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/config.h"
#include "platform/auth/key_ring.h"

namespace sv {

// What the processes of an installation show each other. None is configured where they share a data
// folder: they have the same signing keys, then.
std::vector<std::string> rpc_secrets(const Config& config, const std::vector<auth::Key>& keys);

// Where others reach a port that listens on `host`: on all addresses, the first that is not this
// machine's own.
std::string advertised(std::string host, std::uint16_t port);

}  // namespace sv
