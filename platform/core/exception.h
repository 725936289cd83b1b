#pragma once

#include <exception>

#include "platform/core/error.h"

namespace sv {

// What an exception tells: storage_full when it carries a full disk or quota, else internal.
Error error_of(const std::exception& e);

}  // namespace sv
