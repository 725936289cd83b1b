#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "platform/ports/registry.h"

namespace sv {

// Instances that the configuration names, by service; nothing to announce.
std::unique_ptr<Registry> make_static_registry(
    std::map<std::string, std::vector<Instance>> instances);

}  // namespace sv
